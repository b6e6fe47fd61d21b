"""Freed arrays keep their pages: counted in page faults of a process of its own."""

import os
import subprocess
import sys

import pytest

CALLS, PAGES = 4, 64 * 2**20 // 4096
PROGRAM = """
import resource, sys
from musicrl_jax.runs import kept_pages

if sys.argv[1] == "kept":
    assert kept_pages.keep()
import jax
import jax.numpy as jnp

step = jax.jit(lambda x: jnp.cumsum(jnp.sin(x)[None] * jnp.ones((16, 1)), axis=1).sum())
x = jnp.ones(2**20)  # 64 MiB of intermediate results
for _ in range(20):  # until as many arrays were made as are there at once
    step(x).block_until_ready()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(int(sys.argv[2])):
    step(x).block_until_ready()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Returns the page faults of some calls that JAX's threads compute."""
    plain = {name: x for name, x in os.environ.items() if "MALLOC" not in name}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how, str(CALLS)],
        env=plain | {"JAX_PLATFORMS": "cpu"},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's options")
def test_pages_of_arrays_that_jax_made_are_kept() -> None:
    assert faults("as it is") > CALLS * PAGES / 2
    assert faults("kept") < PAGES / 20
