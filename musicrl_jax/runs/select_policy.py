"""`musicrl select`: chooses one of a run's measured policies by a stated rule."""

import dataclasses
import json
import pathlib

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.evaluation import history, policy_choice
from musicrl_jax.runs import measured_run
from musicrl_jax.transport import keys


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunnerUp:
    """The second best: its step, and `value` and `kl` as those of the best."""

    step: int
    value: float
    kl: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selected:
    """What was chosen; `selected.json` in the run's directory has what was saved last.

    Attributes:
      run: the run's directory.
      step: of the learner.
      rule: what the choice went by, in words.
      reason: how it came out, in one line.
      score: name of what was compared: a reward, or a mean of several.
      value: of the score, at `step`.
      kl: nats per clip to `kl_ref`.
      kl_ref: the policy that KL is measured against.
      kl_budget: most nats per clip that were allowed.
      steps_measured: in all.
      steps_allowed: those among which the best was chosen.
      over_optimisation: what was seen of it, in words; None for nothing.
      runner_up: the second best; None where there is none.
      policy: path of the weights file in the run's directory; None where not kept.
      exported: path of the weights file that was written; None for none.
    """

    run: str
    step: int
    rule: str
    reason: str
    score: str
    value: float
    kl: float
    kl_ref: str
    kl_budget: float
    steps_measured: int
    steps_allowed: int
    over_optimisation: str | None
    runner_up: RunnerUp | None
    policy: str | None
    exported: str | None


def select(
    run_dir: str,
    *,
    kl_budget: float | None = None,
    score: str = "",
    out: str = "",
    save: bool = False,
) -> Selected:
    """Chooses a policy; looking alone writes nothing.

    Args:
      run_dir: of a run that was measured.
      kl_budget: most nats per clip; None for the run's own budget.
      score: name of a reward; empty for the mean of the standardised held-out ones.
      out: weights file to write; empty for none.
      save: keep the choice in the run's directory, where a report and an export look
        for it; done with `out` too.

    Raises:
      InputError: nothing was measured, no reward has the name, no step is within the
        budget, or the policy was not kept.
    """
    run = measured_run.open_run(run_dir)
    if not run.evaluations:
        raise errors.InputError(
            f"A policy is chosen from a run's measurements; {run_dir} has none. Wait "
            f"for its evaluator, or start `musicrl evaluator --run_dir {run_dir}`."
        )
    kept = run.kept_steps()
    rule = policy_choice.Rule(
        kl_budget=run.kl_budget if kl_budget is None else kl_budget,
        score=score,
        steps=kept or None,
    )
    choice = policy_choice.choose(run.evaluations, run.facts, rule, run.flag)
    key = keys.policy_key(choice.chosen.step)
    if out:
        _copy(run, key, pathlib.Path(out))
    found = _selected(run, choice, rule, key if kept else None, out)
    if out or save:
        text = json.dumps(dataclasses.asdict(found), indent=1)
        history.replace(run.store, measured_run.SELECTED, text.encode())
    return found


def _selected(
    run: measured_run.MeasuredRun,
    choice: policy_choice.Choice,
    rule: policy_choice.Rule,
    key: str | None,
    out: str,
) -> Selected:
    second = choice.runner_up
    return Selected(
        run=run.run_dir,
        step=choice.chosen.step,
        rule=choice.rule,
        reason=choice.reason,
        score=choice.score_name,
        value=choice.chosen.score,
        kl=choice.chosen.kl,
        kl_ref=run.facts.kl_ref,
        kl_budget=rule.kl_budget,
        steps_measured=len(run.evaluations),
        steps_allowed=choice.among,
        over_optimisation=None if run.flag is None else run.flag.words,
        runner_up=None
        if second is None
        else RunnerUp(step=second.step, value=second.score, kl=second.kl),
        policy=f"{run.run_dir.rstrip('/')}/{key}" if key else None,
        exported=out or None,
    )


def _copy(run: measured_run.MeasuredRun, key: str, out: pathlib.Path) -> None:
    data = run.store.get(key)
    if data is None:
        raise errors.InputError(
            f"The chosen policy must lie in the run's policies folder; {key} does not. "
            "Measure with this version's `musicrl evaluator`, which keeps policies."
        )
    weights.write_file(out, data)
