"""What a machine needs of a checkout to run its roles, packed into one file."""

import pathlib
import tarfile

from musicrl_jax.core import errors

CHECKOUT = pathlib.Path(__file__).parents[2]
NEEDED = (
    "LICENSE",
    "README.md",
    "gin",
    "musicrl_jax",
    "pyproject.toml",
    "requirements-tpu.lock",
    "requirements.lock",
    "setup.cfg",
)
OPTIONAL = ("networks",)  # those of the user


def pack(target: pathlib.Path, checkout: pathlib.Path = CHECKOUT) -> None:
    """Writes a .tar.gz of the package, the gin files, and `networks` if it is there.

    Raises:
      InputError: `checkout` is none.
    """
    missing = [name for name in NEEDED if not (checkout / name).exists()]
    if missing:
        raise errors.InputError(
            f"TPU VMs are sent a checkout of musicrl_jax; {checkout} lacks "
            f"{', '.join(missing)}. Install the package with `make install` there."
        )
    present = [name for name in OPTIONAL if (checkout / name).exists()]
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        for name in (*NEEDED, *present):
            archive.add(checkout / name, arcname=name, filter=_without_caches)


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in pathlib.PurePath(entry.name).parts else entry
