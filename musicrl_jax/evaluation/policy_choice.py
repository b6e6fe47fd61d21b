"""Which measured policy of a run to use, by a stated rule.

The rule: of the steps within a KL budget, and not after over-optimisation set in, the
one with the best held-out score; among equals the one nearest to the reference. The
score is a named reward, or the mean of all rewards that are not trained, each
standardised over the steps of the run.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors
from musicrl_jax.evaluation import gaps, history, over_optimisation

STANDARDISED = "mean of the standardised held-out rewards"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """One measured policy.

    Attributes:
      step: of the learner.
      score: what the rule goes by.
      kl: nats per clip to the reference.
    """

    step: int
    score: float
    kl: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """A policy, and why.

    Attributes:
      chosen: the best candidate.
      runner_up: the second best; None where there is one candidate only.
      score_name: what the rule went by.
      rule: one line; how it came out is not in it.
      reason: how it came out, in one line.
      among: steps that could be chosen.
    """

    chosen: Candidate
    runner_up: Candidate | None
    score_name: str
    rule: str
    reason: str
    among: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What a choice goes by.

    Attributes:
      kl_budget: most nats per clip.
      score: name of a reward; empty for the mean of the standardised held-out ones.
      steps: those whose policy is at hand; None for all.
    """

    kl_budget: float
    score: str = ""
    steps: Collection[int] | None = None

    def allows(
        self, evaluation: history.Evaluation, flag: over_optimisation.Flag | None
    ) -> bool:
        """Returns whether a step's policy is at hand and not after the turn."""
        at_hand = self.steps is None or evaluation.step in self.steps
        return at_hand and (flag is None or evaluation.step <= flag.step)


def choose(
    evaluations: Sequence[history.Evaluation],
    facts: history.Facts,
    rule: Rule,
    flag: over_optimisation.Flag | None = None,
) -> Choice:
    """Returns the policy to use.

    Args:
      evaluations: of a run.
      facts: which rewards are held out.
      rule: the budget and the score.
      flag: the over-optimisation of the run, if any.

    Raises:
      InputError: where nothing was measured, no reward has the name, or no step is
        within the budget.
    """
    score_name, scores = score(evaluations, facts, rule.score)
    ranked = rank(evaluations, scores, rule, flag)
    if not ranked:
        if not np.isfinite(scores).any():
            raise errors.InputError(
                f"A policy is chosen by a finite score; {score_name} has none at any "
                "step. Mend the reward, or set --score to another one."
            )
        raise _none_within(evaluations, rule, flag)
    best, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    before = (
        ""
        if flag is None
        else f" and not after step {flag.step}, where {flag.name} turns"
    )
    kept = "" if rule.steps is None else " kept and"
    within = f"within {rule.kl_budget:g} nats of {facts.kl_ref}{before}"
    return Choice(
        chosen=best,
        runner_up=second,
        score_name=score_name,
        rule=f"best {score_name} of the steps{kept} {within}; then the least KL",
        reason=(
            f"Best {score_name} ({best.score:.4g}) among {len(ranked)} of "
            f"{len(evaluations)} measured steps: those{kept} {within}."
            + "".join(f" {left_out}" for left_out in gaps.words(evaluations, facts))
        ),
        among=len(ranked),
    )


def rank(
    evaluations: Sequence[history.Evaluation],
    scores: Float[np.ndarray, " steps"],
    rule: Rule,
    flag: over_optimisation.Flag | None,
) -> list[Candidate]:
    """Returns the steps that may be chosen, best first; none without a finite score."""
    within = [
        Candidate(step=evaluation.step, score=float(value), kl=evaluation.kl)
        for evaluation, value in zip(evaluations, scores, strict=True)
        if rule.allows(evaluation, flag)
        and evaluation.kl <= rule.kl_budget
        and np.isfinite(value)
    ]
    return sorted(within, key=lambda found: (-found.score, found.kl, found.step))


def _none_within(
    evaluations: Sequence[history.Evaluation],
    rule: Rule,
    flag: over_optimisation.Flag | None,
) -> errors.InputError:
    least = min((e.kl for e in evaluations if rule.allows(e, flag)), default=np.nan)
    return errors.InputError(
        f"A policy must lie within --kl_budget; got {rule.kl_budget:g} nats, and the "
        f"least KL of the steps to choose from is {least:.4g}. Allow more."
    )


def score(
    evaluations: Sequence[history.Evaluation], facts: history.Facts, name: str = ""
) -> tuple[str, Float[np.ndarray, " steps"]]:
    """Returns what the rule goes by, and its value at each step.

    Without a name and without any held-out reward, that is the trained one on held-out
    prompts.

    Raises:
      InputError: where nothing was measured, or no reward has the name.
    """
    if not evaluations:
        raise errors.InputError(
            "A policy is chosen from a run's measurements; there are none. Wait for "
            "the evaluator, or start `musicrl evaluator --run_dir RUN`."
        )
    means = mean_rewards(evaluations)
    if name and name not in means:
        raise errors.InputError(
            f"--score must name a reward that was measured: {', '.join(means)}; got "
            f"{name!r}. Choose one of these."
        )
    held_out = [reward for reward in facts.held_out if reward in means]
    if name:
        return name, means[name]
    if not held_out:
        return history.TOTAL, means[history.TOTAL]
    if len(held_out) == 1:
        return held_out[0], means[held_out[0]]
    return STANDARDISED, np.mean([_standard(means[n]) for n in held_out], axis=0)


def mean_rewards(
    evaluations: Sequence[history.Evaluation],
) -> Mapping[str, Float[np.ndarray, " steps"]]:
    """Returns the rewards that every step has: by name, a mean over prompts a step."""
    names = [
        name.removeprefix("reward/")
        for name in evaluations[0].row
        if name.startswith("reward/") and not name.endswith("/se")
    ]
    return {
        name: np.array([e.row[f"reward/{name}"] for e in evaluations])
        for name in names
        if all(f"reward/{name}" in e.row for e in evaluations)
    }


def _standard(values: Float[np.ndarray, " steps"]) -> Float[np.ndarray, " steps"]:
    """Returns finite values with mean 0 and deviation 1, the others as they are."""
    finite = values[np.isfinite(values)]
    spread = finite.std() if len(finite) else 0.0
    if not spread > 0:
        return np.where(np.isfinite(values), 0.0, values)
    return (values - finite.mean()) / spread
