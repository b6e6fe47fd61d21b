"""Whether a folder can be written, asked before the work whose results it will hold."""

import pathlib
import tempfile

from musicrl_jax.core import errors


def check_writable(folder: pathlib.Path) -> None:
    """Makes sure that a folder can be written, or made; leaves nothing behind.

    Raises:
      InputError: it cannot.
    """
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise errors.InputError(
            f"The output must be a folder in a writable place; {folder} is not "
            f"({there}: {error.strerror}). Choose another --out."
        ) from error


def check_own(folder: pathlib.Path, what: str) -> None:
    """Makes sure that a folder can be written, and is empty or not there yet.

    Args:
      folder: to write.
      what: it will hold, such as "A preference set".

    Raises:
      InputError: it has files, or cannot be written.
    """
    check_writable(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise errors.InputError(
            f"{what} needs a folder of its own; {folder} has files. Choose another "
            "--out, or remove it."
        )
