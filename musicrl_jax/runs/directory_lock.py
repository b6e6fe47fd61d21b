"""One `finetune` in a run directory at a time, on one machine."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from musicrl_jax.core import errors

NAME = ".finetune.lock"


@contextlib.contextmanager
def only_one(run_dir: pathlib.Path) -> Iterator[None]:
    """Holds the run directory; the system lets go of it when this process ends.

    Raises:
      InputError: another process of this machine holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / NAME).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            raise errors.InputError(
                f"One `musicrl finetune` may work in {run_dir}; process "
                f"{file.read().strip() or 'unknown'} does. Wait for it, or choose "
                "another --run_dir."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
