"""Freed arrays keep their pages: counted in page faults of a process of its own."""

import subprocess
import sys

import pytest

PAGES = 64 * 2**20 // 4096
PROGRAM = """
import resource, sys
import numpy as np
from musicrl_jax.runs import kept_pages

if sys.argv[1] == "kept":
    assert kept_pages.keep()
np.ones(2**23)  # 64 MiB
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    np.ones(2**23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str, **environment: str) -> int:
    """Returns the page faults of making 64 MiB four times."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        env={"JAX_PLATFORMS": "cpu", **environment},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's options")
def test_pages_are_kept() -> None:
    # numpy asks for huge pages of 2 MiB, which the kernel may grant or not.
    huge = PAGES // 512
    assert faults("as it is") >= 4 * huge
    assert faults("kept") < huge
