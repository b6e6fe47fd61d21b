"""One process that writes a directory at a time, on one machine."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from musicrl_jax.core import errors


@contextlib.contextmanager
def only_one(directory: pathlib.Path, command: str) -> Iterator[None]:
    """Holds a directory; the system lets go of it when this process ends.

    Args:
      directory: made if it is not there.
      command: of `musicrl`; different ones do not exclude each other.

    Raises:
      InputError: another process of this machine holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / f".{command}.lock").open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise errors.InputError(
                f"One `musicrl {command}` may work in {directory}; process "
                f"{file.read().strip() or 'unknown'} does. Wait for it, or choose "
                "another directory."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
