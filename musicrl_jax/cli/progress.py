"""Progress on standard error: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable, Mapping

import rich.console
import rich.progress

LINE_SECONDS = 10.0


class Progress:
    """Shows how far long work has come; called with (done, total, figures)."""

    def __init__(
        self,
        title: str,
        console: rich.console.Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title = title
        self._console = console or rich.console.Console(stderr=True)
        self._clock = clock
        self._last_line = -LINE_SECONDS
        self._bar: rich.progress.Progress | None = None

    def __call__(
        self, done: int, total: int, figures: Mapping[str, float] | None = None
    ) -> None:
        """Shows `done` of `total` with a few figures beside it."""
        text = " ".join(
            f"{name}={value:.3g}" for name, value in list((figures or {}).items())[:4]
        )
        if self._console.is_terminal:
            self._draw(done, total, text)
        elif done >= total or self._clock() - self._last_line >= LINE_SECONDS:
            self._last_line = self._clock()
            self._console.print(f"{self._title}: {done} of {total} {text}", style=None)

    def _draw(self, done: int, total: int, text: str) -> None:
        if self._bar is None:
            self._bar = rich.progress.Progress(
                *rich.progress.Progress.get_default_columns(),
                rich.progress.MofNCompleteColumn(),
                rich.progress.TextColumn("{task.fields[figures]}"),
                console=self._console,
            )
            self._bar.add_task(self._title, total=total, figures=text)
            self._bar.start()
        task = self._bar.task_ids[0]
        self._bar.update(task, completed=done, total=total, figures=text)
        if done >= total:
            self._bar.stop()
            self._bar = None
