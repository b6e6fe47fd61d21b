"""Which version of the package, and of what it stands on, made a file."""

import importlib.metadata
import pathlib
import platform
import subprocess

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "safetensors", "flatbuffers")


def versions() -> dict[str, str]:
    """Returns the versions of Python and of what an exported model stands on."""
    found = {"python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in PACKAGES}


def git() -> str:
    """Returns the commit of the checkout that runs; "unknown" outside one."""
    folder = pathlib.Path(__file__).parent
    try:
        done = subprocess.run(
            [
                "git",
                "-C",
                str(folder),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=40",
            ],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"
