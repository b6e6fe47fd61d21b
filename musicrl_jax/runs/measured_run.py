"""A run directory as its evaluator left it, for those who judge it afterwards."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from musicrl_jax.core import errors, writers
from musicrl_jax.evaluation import history, over_optimisation
from musicrl_jax.transport import configuration, json_objects, keys
from musicrl_jax.transport import store as stores

SELECTED = "selected.json"
_PUT_BACK = "Put back the file that `musicrl finetune` wrote."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saved:
    """What `musicrl select` saved: the step, and how the choice came out."""

    step: int
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasuredRun:
    """A run and what was measured of it.

    Attributes:
      name: the last part of its directory.
      run_dir: directory or bucket URL.
      store: its objects.
      config: what all its roles agreed on.
      facts: what holds for all measurements.
      evaluations: by step.
      flag: its over-optimisation; None where none was seen.
    """

    name: str
    run_dir: str
    store: stores.Store
    config: Mapping[str, Any]
    facts: history.Facts
    evaluations: Sequence[history.Evaluation]
    flag: over_optimisation.Flag | None

    @property
    def kl_budget(self) -> float:
        """Nats per clip at which the run itself would end."""
        return self.of_learner("kl_budget_nats")

    def of_learner(self, name: str) -> float:
        """Returns a number of the learner's configuration.

        Raises:
          InputError: where it has no such number.
        """
        learner = self.config.get("learner", {})
        if name not in learner:
            raise errors.InputError(
                f"{self.run_dir.rstrip('/')}/{configuration.TEXT} must have the "
                f"learner's {name}; it lacks it. {_PUT_BACK}"
            )
        return float(learner[name])

    def kept_steps(self) -> list[int]:
        """Returns the steps whose policy lies in the run's `policies` folder."""
        present = set(self.store.list(keys.POLICIES))
        steps = (evaluation.step for evaluation in self.evaluations)
        return [step for step in steps if keys.policy_key(step) in present]

    def selected(self) -> Saved | None:
        """Returns what `musicrl select` saved last, None for nothing.

        Raises:
          InputError: where that is broken.
        """

        def make(fields: dict[str, Any]) -> Saved:
            json_objects.check(fields, {"step": int, "reason": str}, ("step", "reason"))
            return Saved(step=fields["step"], reason=fields["reason"])

        return json_objects.read(
            self.store,
            (self.run_dir, SELECTED),
            make,
            f"Delete it, or run `musicrl select {self.run_dir} --save` again.",
        )


def open_run(run_dir: str) -> MeasuredRun:
    """Reads a run; one of an evaluator that kept means alone has no prompts' scores.

    Raises:
      InputError: where there is no run, or a file of it is broken.
    """
    store = stores.open_store(run_dir)
    place = (run_dir, configuration.TEXT)
    config = json_objects.read(store, place, _checked, _PUT_BACK)
    if config is None:
        raise errors.InputError(
            f"A run directory holds {configuration.TEXT}; {run_dir} does not. Pass the "
            "--run_dir of a `musicrl finetune`."
        )
    facts = history.read_facts(store, run_dir) or _facts(config)
    evaluations = history.read(store) or _from_metrics(run_dir)
    return MeasuredRun(
        name=run_dir.rstrip("/").rpartition("/")[2],
        run_dir=run_dir,
        store=store,
        config=config,
        facts=facts,
        evaluations=evaluations,
        flag=history.flag(evaluations, facts),
    )


def _checked(config: dict[str, Any]) -> Mapping[str, Any]:
    """Returns the configuration; TypeError where what is read of it is unsuitable."""
    json_objects.check(config, {"learner": dict, "reward": dict, "inputs": dict})
    numbers = {"kl_budget_nats": float, "batch_clips": int, "temperature": float}
    json_objects.check(config.get("learner", {}), numbers)
    return config


def _facts(config: Mapping[str, Any]) -> history.Facts:
    """Returns what the configuration says; which rewards are held out it does not."""
    rewards = config.get("reward", {})
    trained = {
        name: weight
        for name, weight in rewards.items()
        if isinstance(weight, int | float) and weight
    }
    return history.Facts(
        kl_ref=str(config.get("reference_name", "base")), trained=trained, held_out=[]
    )


def _from_metrics(run_dir: str) -> tuple[history.Evaluation, ...]:
    """Returns the means in the metric file, the last row of each step."""
    path = pathlib.Path(run_dir) / "metrics" / "evaluator.jsonl"
    if not path.is_file():
        return ()
    rows = {int(row["step"]): row for row in writers.read_json_lines(path)}
    return tuple(
        history.Evaluation(
            step=step,
            digest="",
            row={name: float(x) for name, x in rows[step].items() if name != "step"},
            rewards={},
        )
        for step in sorted(rows)
    )
