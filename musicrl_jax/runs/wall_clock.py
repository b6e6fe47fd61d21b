"""Seconds that a command took, over all calls that it was stopped and resumed in."""

import contextlib
import json
import pathlib
import time
from collections.abc import Callable


class WallClock:
    """Counts from its making, on top of what earlier calls left in `path`."""

    def __init__(
        self, path: pathlib.Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._clock = clock
        self._started = clock()
        self._earlier = 0.0
        # A file that a kill cut off counts for nothing.
        with contextlib.suppress(OSError, ValueError):
            self._earlier = float(json.loads(path.read_text(encoding="utf-8")))

    def total(self) -> float:
        """Returns the seconds of this call and of those before."""
        return self._earlier + self._clock() - self._started

    def save(self) -> None:
        """Leaves the total for the next call, where the folder exists."""
        with contextlib.suppress(OSError):
            self._path.write_text(json.dumps(self.total()), encoding="utf-8")

    def forget(self) -> None:
        """Lets the next call count from 0, as is right after one that finished."""
        with contextlib.suppress(OSError):
            self._path.unlink()
