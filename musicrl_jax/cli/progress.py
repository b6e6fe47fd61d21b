"""Progress on standard error: a bar on a terminal, a line now and then elsewhere."""

import datetime
import time
from collections.abc import Callable, Mapping

import rich.console
import rich.progress

LINE_SECONDS = 10.0
FIGURES = 4
STAGE = ("stage", "stages")


class Progress:
    """Shows how far long work has come; called with (done, total, figures).

    Rate and time left are those since the first call, so that what was done before a
    restart and what was compiled do not count. Another piece of work begins where one
    was done, or where there is another total or less done than before.
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
        self._first: tuple[int, int, float] | None = None
        self._bar: rich.progress.Progress | None = None

    def __call__(
        self, done: int, total: int, figures: Mapping[str, float | int] | None = None
    ) -> None:
        """Shows `done` of `total` with rate, time left and a few figures beside it."""
        begins = self._begin(done, total)
        text = f"{self._pace(done, total)}{describe(figures or {})}"
        late = self._clock() - self._last_line >= LINE_SECONDS
        if self._console.is_terminal:
            self._draw(done, total, text)
        elif begins or late or done >= total:
            self._last_line = self._clock()
            line = f"{self._title}: {done} of {total} {text}".rstrip()
            self._console.print(line, highlight=False, soft_wrap=True)
        if done >= total:
            self._first = None

    def _begin(self, done: int, total: int) -> bool:
        """Returns whether this is the first call of a piece of work, and notes it."""
        if self._first and total == self._first[1] and done >= self._first[0]:
            return False
        self._first = (done, total, self._clock())
        return True

    def _pace(self, done: int, total: int) -> str:
        """Returns rate and time left, and a space; nothing at the first call."""
        before, _, since = self._first or (done, total, self._clock())
        more, seconds = done - before, self._clock() - since
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


def describe(figures: Mapping[str, float | int]) -> str:
    """Returns a few figures as text: losses first, the examples a second last.

    The stage of a chain stands before all of them.
    """
    examples = figures.get("time/examples_per_second")
    stage = [f"{name}={figures[name]}" for name in STAGE if name in figures]
    rest = {name: x for name, x in figures.items() if name not in STAGE}
    shown = {name: x for name, x in rest.items() if not name.startswith("time/")}
    losses = [name for name in shown if name == "loss" or name.startswith("loss/")]
    shown = {name: shown[name] for name in losses} | shown
    parts = [
        f"{name}={value if isinstance(value, int) else f'{value:.3g}'}"
        for name, value in list(shown.items())[:FIGURES]
    ]
    if examples is not None:
        parts.append(f"{examples:.3g} examples/s")
    return " ".join(stage + parts)
