"""What the metric files of a run say about it."""

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from musicrl_jax.core import errors, writers
from musicrl_jax.evaluation import history

Rows = Sequence[Mapping[str, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFacts:
    """The metric rows of a run's processes.

    Attributes:
      learner: one row an update.
      evaluator: one row a publication, on fresh samples of held-out prompts.
      actors: by name, one row a trajectory.
      clips_per_batch: trajectories that one update uses.
      trained: the weights of the rewards that are trained, where they are known.
    """

    learner: Rows
    evaluator: Rows
    actors: Mapping[str, Rows]
    clips_per_batch: int
    trained: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Updates done."""
        return int(max((row["step"] for row in self.learner), default=0))

    @property
    def trajectories_used(self) -> int:
        """Clips that updates consumed."""
        return self.steps * self.clips_per_batch

    @property
    def trajectories_dropped(self) -> dict[str, int]:
        """Packets of clips that were refused, by reason."""
        dropped: dict[str, int] = {}
        for row in self.learner:
            for name, count in row.items():
                if name.startswith("dropped/"):
                    reason = name.removeprefix("dropped/")
                    dropped[reason] = dropped.get(reason, 0) + int(count)
        return dropped

    @property
    def clips_not_finite(self) -> int:
        """Clips that actors threw away because a reward or probability was no number.

        Restarted actors count anew, so at least as many.
        """
        most = (
            max((row.get("clips_rejected", 0) for row in rows), default=0)
            for rows in self.actors.values()
        )
        return int(sum(most))

    @property
    def max_staleness(self) -> int:
        """The largest number of updates between sampling and use of a clip."""
        return int(max((row.get("lag/max", 0.0) for row in self.learner), default=0))

    @property
    def learner_wait_share(self) -> float:
        """The share of its time that the learner waited for clips."""
        return self.learner[-1].get("time/wait_share", 0.0) if self.learner else 0.0

    @property
    def actor_wait_share(self) -> float:
        """The share of their time that actors waited, mean over actors."""
        last = [rows[-1].get("time/wait_share", 0.0) for rows in self.actors.values()]
        return float(np.mean(last)) if last else 0.0


def read_facts(metrics: pathlib.Path, clips_per_batch: int) -> RunFacts:
    """Reads `learner.jsonl`, `evaluator.jsonl` and `actor-*.jsonl` of a run.

    Where a process was started again and repeated a step, the last row counts.

    Raises:
      InputError: where the learner wrote nothing.
    """
    learner = metrics / "learner.jsonl"
    if not learner.is_file():
        raise errors.InputError(
            f"A run's report needs the learner's metrics; there is no {learner}. Pass "
            "the directory of a run that has made steps."
        )
    evaluator = metrics / "evaluator.jsonl"
    return RunFacts(
        learner=_last_of_each_step(learner),
        evaluator=_last_of_each_step(evaluator) if evaluator.is_file() else (),
        actors={
            path.stem: _numbers(writers.read_json_lines(path))
            for path in sorted(metrics.glob("actor-*.jsonl"))
            if path.stat().st_size
        },
        clips_per_batch=clips_per_batch,
        trained=_trained(metrics.parent / history.FACTS),
    )


def column(rows: Rows, name: str) -> tuple[list[float], list[float]]:
    """Returns steps and values of the rows that have `name`."""
    chosen = [row for row in rows if name in row]
    return [row["step"] for row in chosen], [row[name] for row in chosen]


def _trained(path: pathlib.Path) -> dict[str, float]:
    """Returns the weights that the evaluator wrote down, none where it did not."""
    if not path.is_file():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8"))["trained"])


def _last_of_each_step(path: pathlib.Path) -> Rows:
    rows = _numbers(writers.read_json_lines(path))
    by_step = {int(row["step"]): row for row in rows}
    return tuple(by_step[step] for step in sorted(by_step))


def _numbers(rows: Sequence[Mapping[str, float | int]]) -> Rows:
    """Returns rows whose integers are floats too."""
    return [{name: float(x) for name, x in row.items()} for row in rows]
