"""Set up every test: four CPU devices, strict broadcasting, reproducible laws."""

import os

# Before JAX is imported. `JAX_PLATFORMS=cuda pytest -m device` runs on a GPU.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import jax

jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")

# A compilation inside an example takes longer than any sensible deadline.
hypothesis.settings.register_profile(
    "musicrl", deadline=None, max_examples=20, derandomize=True
)
hypothesis.settings.load_profile("musicrl")
