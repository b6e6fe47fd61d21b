"""Progress on standard error: a bar on a terminal, a line now and then elsewhere."""

import datetime
import time
from collections.abc import Callable, Mapping

import rich.console
import rich.progress

LINE_SECONDS = 10.0
FIGURES = 4


class Progress:
    """Shows how far long work has come; called with (done, total, figures).

    Rate and time left are those since the first call, so that what was done before a
    restart and what was compiled do not count.
    """

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
        self._first: tuple[int, float] | None = None
        self._bar: rich.progress.Progress | None = None

    def __call__(
        self, done: int, total: int, figures: Mapping[str, float | int] | None = None
    ) -> None:
        """Shows `done` of `total` with rate, time left and a few figures beside it."""
        text = f"{self._pace(done, total)}{describe(figures or {})}"
        if self._console.is_terminal:
            self._draw(done, total, text)
        elif done >= total or self._clock() - self._last_line >= LINE_SECONDS:
            self._last_line = self._clock()
            line = f"{self._title}: {done} of {total} {text}".rstrip()
            self._console.print(line, highlight=False, soft_wrap=True)

    def _pace(self, done: int, total: int) -> str:
        """Returns rate and time left, and a space; nothing at the first call."""
        now = self._clock()
        if self._first is None or done < self._first[0]:
            self._first = (done, now)
        more, seconds = done - self._first[0], now - self._first[1]
        if not more or seconds <= 0:
            return ""
        left = datetime.timedelta(seconds=round((total - done) * seconds / more))
        return f"{more / seconds:.3g}/s, {left} left " if left else ""

    def _draw(self, done: int, total: int, text: str) -> None:
        if self._bar is None:
            self._bar = rich.progress.Progress(
                rich.progress.TextColumn("{task.description}"),
                rich.progress.BarColumn(),
                rich.progress.TaskProgressColumn(),
                rich.progress.MofNCompleteColumn(),
                rich.progress.TextColumn("{task.fields[figures]}"),
                console=self._console,
            )
            self._bar.add_task(self._title, total=total, completed=done, figures=text)
            self._bar.start()
        self._bar.update(
            self._bar.task_ids[0],
            completed=done,
            total=total,
            figures=text,
            refresh=True,
        )
        if done >= total:
            self._bar.stop()
            self._bar = None
            self._first = None


def describe(figures: Mapping[str, float | int]) -> str:
    """Returns a few figures as text: losses first, the examples a second last."""
    examples = figures.get("time/examples_per_second")
    shown = {name: x for name, x in figures.items() if not name.startswith("time/")}
    losses = [name for name in shown if name == "loss" or name.startswith("loss/")]
    shown = {name: shown[name] for name in losses} | shown
    parts = [
        f"{name}={value if isinstance(value, int) else f'{value:.3g}'}"
        for name, value in list(shown.items())[:FIGURES]
    ]
    if examples is not None:
        parts.append(f"{examples:.3g} examples/s")
    return " ".join(parts)
