"""The table of a sweep: what each trial set, how it ended, and how well it did."""

import csv
import dataclasses
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.learning import learner
from musicrl_jax.runs import sweep, sweep_space, training
from musicrl_jax.transport import store as stores

DONE, OPEN, FAILED = "done", "open", "failed"
Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judge:
    """How trials are compared.

    Attributes:
      metrics: key of their metrics without ending, such as "metrics/evaluator".
      metric: what they are judged by.
      mode: "max" or "min".
      at: "last" for the last row of the metrics, "best" for the best one.
      show: more metrics of that row, for the table.
    """

    metrics: str
    metric: str
    mode: str
    at: str
    show: tuple[str, ...] = ()

    def score(self, rows: Sequence[Row]) -> Row | None:
        """Returns the row that a trial is judged by; None where none has the metric."""
        fit = [row for row in rows if _is_number(row.get(self.metric))]
        if not fit:
            return None
        return fit[-1] if self.at == "last" else min(fit, key=self._rank)

    def table(self, trials: Sequence[sweep.Trial], out: pathlib.Path) -> list[Row]:
        """Returns a row for each trial, the best first, those without a score last.

        Raises:
          InputError: see `sweep.Records.read`.
        """
        records = sweep.Records(folder=out / "records")
        rows = []
        for trial in trials:
            short = sweep_space.short_names([name for name, _ in trial.bindings])
            score = self.score(read_metrics(trial, self.metrics)) or {}
            rows.append(
                {"trial": trial.name}
                | {short[name]: value for name, value in trial.bindings}
                | {"status": status(trial, records), "step": score.get("step")}
                | {name: score.get(name) for name in (self.metric, *self.show)}
            )
        return sorted(rows, key=self._rank)

    def best(self, rows: Sequence[Row]) -> Row | None:
        """Returns the first row of a table whose trial is done and has a score."""
        fit = (row for row in rows if row["status"] == DONE)
        return next((row for row in fit if row[self.metric] is not None), None)

    def _rank(self, row: Row) -> float:
        value = row.get(self.metric)
        if value is None:
            return math.inf
        return -value if self.mode == "max" else value


def status(trial: sweep.Trial, records: sweep.Records) -> str:
    """Returns `DONE`, `OPEN` or "failed (code)"; a trial may have run elsewhere.

    Raises:
      InputError: see `sweep.Records.read`.
    """
    record = records.read(trial)
    if record is not None:
        return DONE if record["code"] == 0 else f"{FAILED} ({record['code']})"
    if not _exists(trial):
        return OPEN
    store = stores.open_store(trial.run_dir)
    marks = (learner.DONE_KEY, training.DONE)
    return DONE if any(store.get(key) is not None for key in marks) else OPEN


def read_metrics(trial: sweep.Trial, metrics: str) -> list[Row]:
    """Returns the rows of a metrics file, or of the objects of a bucket.

    Args:
      trial: whose.
      metrics: key without ending, such as "metrics/evaluator".
    """
    if not _exists(trial):
        return []
    store = stores.open_store(trial.run_dir)
    whole = store.get(f"{metrics}.jsonl")
    if whole is not None:
        lines = whole.splitlines()
    else:
        found = [store.get(key) for key in store.list(f"{metrics}/")]
        lines = [data for data in found if data is not None]
    rows = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:  # a line that is being written
            break
        if isinstance(row, dict):
            rows.append(row)
    return rows


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _exists(trial: sweep.Trial) -> bool:
    return "://" in trial.run_dir or pathlib.Path(trial.run_dir).is_dir()


def write_csv(rows: Sequence[Row], path: pathlib.Path) -> None:
    """Writes the table; a missing value is an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


class TrialsFailedError(errors.MusicRLError):
    """Some trials of a sweep failed (exit code 1)."""


def check_none_failed(rows: Sequence[Row], out: pathlib.Path) -> None:
    """Lets a sweep succeed where no trial of its table failed.

    Raises:
      TrialsFailedError: says how many.
    """
    failed = sum(row["status"].startswith(FAILED) for row in rows)
    if failed:
        raise TrialsFailedError(
            f"{failed} of {len(rows)} trials failed; see {out / 'logs'}. The same "
            "command tries them again."
        )
