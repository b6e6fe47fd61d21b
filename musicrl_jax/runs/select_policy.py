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
class Selected:
    """What was chosen.

    Attributes:
      step: of the learner.
      reason: the rule and how it came out, in one line.
      score: what the rule went by, and `value` its value.
      value: of the score.
      kl: nats per clip to `kl_ref`.
      kl_ref: the policy that KL is measured against.
      runner_up: the second best: step, value, kl; None where there is none.
      policy: the weights file.
    """

    step: int
    reason: str
    score: str
    value: float
    kl: float
    kl_ref: str
    runner_up: policy_choice.Candidate | None
    policy: str


def select(
    run_dir: str, *, kl_budget: float | None = None, score: str = "", out: str = ""
) -> Selected:
    """Chooses a policy; writes it to `out`, and the choice to the run's directory.

    Args:
      run_dir: of a run that was measured.
      kl_budget: most nats per clip; None for the run's own budget.
      score: name of a reward; empty for the mean of the standardised held-out ones.
      out: weights file to write; empty for none.

    Raises:
      InputError: nothing was measured, no reward has the name, no step is within the
        budget, or the policy was not kept.
    """
    run = measured_run.open_run(run_dir)
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
    found = Selected(
        step=choice.chosen.step,
        reason=choice.reason,
        score=choice.score_name,
        value=choice.chosen.score,
        kl=choice.chosen.kl,
        kl_ref=run.facts.kl_ref,
        runner_up=choice.runner_up,
        policy=out or (key if kept else ""),
    )
    text = json.dumps(dataclasses.asdict(found), indent=1)
    history.replace(run.store, measured_run.SELECTED, text.encode())
    return found


def _copy(run: measured_run.MeasuredRun, key: str, out: pathlib.Path) -> None:
    data = run.store.get(key)
    if data is None:
        raise errors.InputError(
            f"The chosen policy must lie in the run's policies folder; {key} does not. "
            "Measure with this version's `musicrl evaluator`, which keeps policies."
        )
    weights.write_file(out, data)
