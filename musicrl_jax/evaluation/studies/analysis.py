"""A whole study: comparisons, standings, agreement of raters, effect of the side."""

import dataclasses

import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors
from musicrl_jax.evaluation import agreement, proportions, resampling
from musicrl_jax.evaluation.studies import comparisons, standings
from musicrl_jax.evaluation.studies import table as tables

HEADLINE = "holm_p: signed-rank test of per-prompt mean differences, Holm-corrected"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far raters of the same comparison agree; NaN where none has two raters.

    Alphas are Krippendorff's; they are NaN, too, where scores or choices never vary.

    Attributes:
      score_interval: of scores of the same clip, distances counting.
      score_ordinal: the same, their order counting.
      score_nominal: the same, equality counting.
      choice_ordinal: of win, tie or loss.
      choice_nominal: the same, equality counting.
      same_score: share of pairs of raters who give a clip the same score.
      same_choice: share of pairs of raters who agree on win, tie or loss.
    """

    score_interval: float
    score_ordinal: float
    score_nominal: float
    choice_ordinal: float
    choice_nominal: float
    same_score: float
    same_choice: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SideEffect:
    """Whether the first clip has an advantage.

    Attributes:
      first_wins: ratings in which the first clip scores higher.
      second_wins: in which the second does.
      share: of the first among the two.
      low: lower end of Wilson's 95 % interval.
      high: its upper end.
      p_value: of the exact test that the share is one half.
      mean_lead: mean score of the first clip less that of the second.
    """

    first_wins: int
    second_wins: int
    share: float
    low: float
    high: float
    p_value: float
    mean_lead: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """What the ratings of a study say.

    Attributes:
      headline: which test of `comparisons` to look at, and why.
      comparisons: each pair of models.
      models: each model.
      alpha: `agreement.score_interval`.
      agreement: of raters.
      side: effect of being first.
      bradley_terry: the fit behind the models' strengths.
    """

    headline: str
    comparisons: tuple[comparisons.Comparison, ...]
    models: tuple[standings.Standing, ...]
    alpha: float
    agreement: Agreement
    side: SideEffect
    bradley_terry: standings.Ladder


def analyse(
    table: tables.Table,
    *,
    resamples: int = 2000,
    seed: int = 0,
    with_advantage: bool = False,
) -> Study:
    """Returns what the ratings say.

    Args:
      table: the ratings.
      resamples: of prompts and raters, for intervals.
      seed: of these.
      with_advantage: fit an advantage of the first clip with the strengths.

    Raises:
      InputError: where there is no rating, or no resample.
    """
    if not len(table.prompt) or resamples < 1:
        raise errors.InputError(
            f"A study needs ratings and resamples; got {len(table.prompt)} and "
            f"{resamples}. Give one or more of each."
        )
    weights = resampling.crossed_weights(
        table.prompt, table.rater, resamples=resamples, seed=seed
    )
    found = agree(table)
    models, ladder = standings.rank(table, weights, with_advantage=with_advantage)
    return Study(
        headline=HEADLINE,
        comparisons=comparisons.compare_all(table, weights),
        models=models,
        alpha=found.score_interval,
        agreement=found,
        side=side_effect(table),
        bradley_terry=ladder,
    )


def agree(table: tables.Table) -> Agreement:
    """Returns how far raters of the same comparison agree."""
    swapped = table.first > table.second
    low = np.where(swapped, table.scores[:, 1], table.scores[:, 0])
    high = np.where(swapped, table.scores[:, 0], table.scores[:, 1])
    choices = _by_comparison(table, np.sign(high - low))
    scores = np.concatenate([_by_comparison(table, x) for x in (low, high)])
    if choices.shape[1] < 2:
        return Agreement(**{x.name: np.nan for x in dataclasses.fields(Agreement)})
    return Agreement(
        score_interval=agreement.krippendorff_alpha(scores),
        score_ordinal=agreement.krippendorff_alpha_ordinal(scores),
        score_nominal=agreement.krippendorff_alpha_nominal(scores),
        choice_ordinal=agreement.krippendorff_alpha_ordinal(choices),
        choice_nominal=agreement.krippendorff_alpha_nominal(choices),
        same_score=agreement.pairwise_agreement(scores),
        same_choice=agreement.pairwise_agreement(choices),
    )


def side_effect(table: tables.Table) -> SideEffect:
    """Returns how often the first clip scores higher."""
    first, second = int(np.sum(table.lead > 0)), int(np.sum(table.lead < 0))
    found = proportions.share_of(first, first + second)
    return SideEffect(
        first_wins=first,
        second_wins=second,
        share=found.share,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        mean_lead=float(table.lead.mean()),
    )


def _by_comparison(
    table: tables.Table, values: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "comparisons raters"]:
    """Returns the values of each comparison in a row, filled up with NaN."""
    _, row, counts = np.unique(
        table.comparison, return_inverse=True, return_counts=True
    )
    order = np.argsort(row, kind="stable")
    column = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    filled = np.full((len(counts), counts.max()), np.nan)
    filled[row[order], column] = values[order]
    return filled
