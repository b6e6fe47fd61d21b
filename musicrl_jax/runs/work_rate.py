"""How far long work has come, how fast it goes and when it will end."""

import time
from collections.abc import Callable, Mapping

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called with what is done, what there is, and a few figures."""


class WorkRate:
    """Tells a progress callback of work that may have been begun before."""

    def __init__(
        self,
        total: int,
        progress: Progress | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total = total
        self._progress = progress
        self._clock = clock
        self._begun = (0, clock())

    def skip(self, done: int) -> None:
        """Notes that all up to `done` was done before, and does not count as speed."""
        self._begun = (done, self._clock())

    def advance(self, done: int) -> None:
        """Reports that `done` of the work is done now: items a second, minutes left."""
        if self._progress is None:
            return
        first, started = self._begun
        seconds = self._clock() - started
        rate = (done - first) / max(seconds, 1e-9)
        left = (self._total - done) / max(rate, 1e-9) / 60
        figures = {"per_second": rate, "minutes_left": left}
        self._progress(done, self._total, figures)
