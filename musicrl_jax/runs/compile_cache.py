"""Compiled programs of a run on this machine, kept for its other processes.

Roles of one run compile the same programs; the second to need one reads it from disk.
The cache lies in the run directory, in a folder of the host's name, since programs for
one kind of processor may not run on another. A user's own `JAX_COMPILATION_CACHE_DIR`
goes before it.
"""

import os
import pathlib
import platform

import jax

FOLDER = "compiled"
VARIABLE = "JAX_COMPILATION_CACHE_DIR"
SHORTEST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def environment(run_dir: pathlib.Path) -> dict[str, str]:
    """Returns the variables that make a child process use the cache of a run."""
    folder = (run_dir / FOLDER / platform.node()).resolve()
    chosen = {VARIABLE: str(folder), SHORTEST: "0.3"}
    return {name: os.environ.get(name, value) for name, value in chosen.items()}


def use(run_dir: pathlib.Path) -> None:
    """Makes this process use the cache of a run; call it before anything compiles."""
    chosen = environment(run_dir)
    jax.config.update("jax_compilation_cache_dir", chosen[VARIABLE])
    jax.config.update(
        "jax_persistent_cache_min_compile_time_secs", float(chosen[SHORTEST])
    )
