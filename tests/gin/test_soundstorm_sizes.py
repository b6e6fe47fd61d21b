"""Every size of SoundStorm traces at full length: 30 s decoded, one training step."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import pytest

from musicrl_jax.cli import bindings
from musicrl_jax.models.soundstorm import adapter, config, objective
from musicrl_jax.runs import token_by_token

MODELS = pathlib.Path(__file__).parents[2] / "gin" / "models"
SECONDS = 30


@pytest.mark.parametrize(
    ("name", "frame_rate_hz", "least", "most"),
    [
        ("tiny", 25, 1e3, 1e4),
        ("starter", 25, 1.2e6, 1.5e6),
        ("base", 50, 300e6, 360e6),
    ],
)
def test_thirty_seconds_and_a_step(name, frame_rate_hz, least, most):
    path = MODELS / f"soundstorm_{name}.gin"
    sizes = bindings.resolve("SoundStormConfig", [path]).config
    stage = adapter.make_soundstorm(sizes, config.DecodingConfig())
    params = stage.abstract_params()
    assert least < token_by_token.count(params) < most
    frames = SECONDS * frame_rate_hz
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2))
    coarse = jax.ShapeDtypeStruct((2, frames, sizes.coarse_levels), jnp.int32)
    codes = jax.eval_shape(stage.refine, params, coarse, keys)
    assert (codes.shape, codes.dtype) == ((2, frames, sizes.levels), jnp.int32)
    loss = objective.SoundStormObjective(config=sizes).loss
    step = jax.grad(functools.partial(loss, statistics={}), has_aux=True)
    batch = {"codes": jax.ShapeDtypeStruct((2, 100, sizes.levels), jnp.int16)}
    key = jax.eval_shape(lambda: jax.random.key(0))
    gradients, _ = jax.eval_shape(
        lambda p, b, k: step(p, batch=b, key=k), params, batch, key
    )
    assert jax.tree.structure(gradients) == jax.tree.structure(params)
