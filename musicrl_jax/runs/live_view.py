"""The one live view of a run on this machine: progress, reward, KL, lag, rates.

It reads the metric files that the roles write, so it can be closed and opened at will
and shows the same for processes that it did not start.
"""

import contextlib
import dataclasses
import json
import pathlib
import time

import rich.console
import rich.live
import rich.table

PLAIN_LINE_SECONDS = 10.0
LAST_BYTES = 65_536


@dataclasses.dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the metric files say now; None where nothing was written yet."""

    step: int
    steps: int
    learner: dict[str, float | int]
    actors: list[dict[str, float | int]]
    evaluator: dict[str, float | int]
    restarts: int


def latest(path: pathlib.Path) -> dict[str, float | int]:
    """Returns the last row of a metric file, empty where there is none."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LAST_BYTES))
        lines = file.read().split(b"\n")
    for line in reversed(lines[:-1]):  # what follows the last break is being written
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            return row if isinstance(row, dict) else {}
    return {}


def snapshot(run_dir: pathlib.Path, steps: int, restarts: int = 0) -> Snapshot:
    """Reads the metric files of a run directory."""
    metrics = run_dir / "metrics"
    learner = latest(metrics / "learner.jsonl")
    return Snapshot(
        step=int(learner.get("step", 0)),
        steps=steps,
        learner=learner,
        actors=[latest(path) for path in sorted(metrics.glob("actor-*.jsonl"))],
        evaluator=latest(metrics / "evaluator.jsonl"),
        restarts=restarts,
    )


def describe(now: Snapshot, elapsed_seconds: float, first_step: int) -> dict[str, str]:
    """Returns the fields of the view as text, in the order in which they are shown."""
    done = now.step - first_step
    left = (now.steps - now.step) * elapsed_seconds / done if done > 0 else None
    fields = {
        "step": f"{now.step}/{now.steps}",
        "left": "..." if left is None else f"{left:.0f} s",
        "reward": number(now.learner, "reward/mean", "{:.3f}"),
        "held-out": number(now.evaluator, "reward/total", "{:.3f}"),
        "KL": number(now.evaluator, "kl/sequence", "{:.1f} nats"),
        "lag": number(now.learner, "lag/mean", "{:.1f} steps"),
        "learner waits": number(now.learner, "time/wait_share", "{:.0%}"),
        "clips": str(sum(int(row.get("clips", 0)) for row in now.actors)),
    }
    return fields | ({"restarts": str(now.restarts)} if now.restarts else {})


def number(row: dict[str, float | int], name: str, form: str) -> str:
    """Returns a formatted metric, or `...` where it was not written yet."""
    return form.format(row[name]) if name in row else "..."


class LiveView:
    """Draws a table on a terminal, and writes a plain line now and then elsewhere."""

    def __init__(self, run_dir: pathlib.Path, steps: int) -> None:
        self._run_dir = run_dir
        self._steps = steps
        self._console = rich.console.Console(stderr=True)
        self._live = rich.live.Live(console=self._console, refresh_per_second=4)
        self._started = time.monotonic()
        self._first_step: int | None = None
        self._next_line = self._started

    def __enter__(self) -> "LiveView":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def update(self, restarts: int = 0) -> None:
        """Draws the present state of the run."""
        now = snapshot(self._run_dir, self._steps, restarts)
        if self._first_step is None and now.learner:
            self._first_step = now.step
            self._started = time.monotonic()
        elapsed = time.monotonic() - self._started
        first = self._first_step if self._first_step is not None else now.step
        fields = describe(now, elapsed, first)
        if self._console.is_terminal:
            self._live.update(as_table(fields))
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + PLAIN_LINE_SECONDS
            line = "  ".join(f"{name} {text}" for name, text in fields.items())
            self._console.print(line, highlight=False, soft_wrap=True)


def as_table(fields: dict[str, str]) -> rich.table.Table:
    """Returns the fields as a one-row table."""
    table = rich.table.Table(title="KL-REINFORCE", title_justify="left")
    for name in fields:
        table.add_column(name, justify="right")
    table.add_row(*fields.values())
    return table
