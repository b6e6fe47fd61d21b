"""Each pair of models: wins, win rate, and tests of the difference in scores.

The headline is the signed-rank test of per-prompt means. The three ratings of a prompt
are about the same two clips, and a test that takes them for independent finds
differences that are not there far more often than its level says.
"""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Bool, Float, Int

from musicrl_jax.evaluation import proportions, rank_tests, resampling
from musicrl_jax.evaluation.studies import table as tables

_NAN = float("nan")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """What raters said of two models.

    Attributes:
      a: the model that wins are counted for.
      b: the other one; baselines, which a study names first, stand here.
      n: ratings.
      win: ratings in which the clip of `a` scores higher.
      tie: in which both score the same.
      loss: in which the clip of `b` scores higher.
      win_rate: win / (win + loss); NaN where all are ties.
      low: lower end of Wilson's 95 % interval of the win rate.
      high: its upper end.
      cluster_low: lower end of the 95 % interval over resampled prompts and raters.
      cluster_high: its upper end.
      mos_a: mean score of `a` in this comparison.
      mos_b: of `b`.
      difference: mos_a - mos_b.
      difference_low: lower end of its 95 % interval over resampled prompts and raters.
      difference_high: its upper end.
      sign_p: exact sign test of wins against losses.
      wilcoxon_p: signed-rank test of all ratings, as in the paper.
      wilcoxon_holm_p: the same, corrected for the number of pairs.
      pratt_p: signed-rank test of all ratings with zeros ranked.
      wilcoxon_prompt_p: signed-rank test of the prompts' mean differences.
      pratt_prompt_p: the same with zeros ranked.
      holm_p: `wilcoxon_prompt_p` corrected for the number of pairs: the headline.
      prompts: how many are rated.
    """

    a: str
    b: str
    n: int
    win: int
    tie: int
    loss: int
    win_rate: float
    low: float
    high: float
    cluster_low: float
    cluster_high: float
    mos_a: float
    mos_b: float
    difference: float
    difference_low: float
    difference_high: float
    sign_p: float
    wilcoxon_p: float
    wilcoxon_holm_p: float = _NAN
    pratt_p: float
    wilcoxon_prompt_p: float
    pratt_prompt_p: float
    holm_p: float = _NAN
    prompts: int


def compare_all(
    table: tables.Table, weights: Int[np.ndarray, "r n"]
) -> tuple[Comparison, ...]:
    """Returns the comparison of each pair of models that has ratings.

    Args:
      table: the ratings.
      weights: how often each resample draws each row.
    """
    pairs = itertools.combinations(range(len(table.models)), 2)
    found = [
        _compare(table, (later, earlier), chosen, weights[:, chosen])
        for earlier, later in pairs
        if np.any(chosen := table.of_pair(earlier, later))
    ]
    by_prompt = rank_tests.holm([one.wilcoxon_prompt_p for one in found])
    by_rating = rank_tests.holm([one.wilcoxon_p for one in found])
    return tuple(
        dataclasses.replace(one, holm_p=prompt_p, wilcoxon_holm_p=rating_p)
        for one, prompt_p, rating_p in zip(found, by_prompt, by_rating, strict=True)
    )


def prompt_means(
    differences: Float[np.ndarray, " n"], prompts: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " prompts"]:
    """Returns the mean difference of each prompt that has ratings."""
    _, place = np.unique(prompts, return_inverse=True)
    return np.bincount(place, differences) / np.bincount(place)


def _compare(
    table: tables.Table,
    pair: tuple[int, int],
    chosen: Bool[np.ndarray, " n"],
    weights: Int[np.ndarray, "r chosen"],
) -> Comparison:
    """Compares the models `pair`, (a, b), over the chosen rows."""
    score_a, score_b = (table.score_of(model)[chosen] for model in pair)
    gap = score_a - score_b
    means = prompt_means(gap, table.prompt[chosen])
    win, loss = int(np.sum(gap > 0)), int(np.sum(gap < 0))
    rate = proportions.share_of(win, win + loss)
    wins, losses = weights @ (gap > 0), weights @ (gap < 0)
    # A resample may lack wins and losses, or every prompt of a pair rated in part.
    with np.errstate(invalid="ignore"):
        cluster = resampling.percentile_interval(wins / (wins + losses))
        moved = resampling.percentile_interval(weights @ gap / weights.sum(axis=1))
    return Comparison(
        a=table.models[pair[0]],
        b=table.models[pair[1]],
        n=len(gap),
        win=win,
        tie=len(gap) - win - loss,
        loss=loss,
        win_rate=rate.share,
        low=rate.low,
        high=rate.high,
        cluster_low=cluster[0],
        cluster_high=cluster[1],
        mos_a=float(score_a.mean()),
        mos_b=float(score_b.mean()),
        difference=float(gap.mean()),
        difference_low=moved[0],
        difference_high=moved[1],
        sign_p=rate.p_value,
        wilcoxon_p=rank_tests.signed_rank(gap),
        pratt_p=rank_tests.signed_rank_pratt(gap),
        wilcoxon_prompt_p=rank_tests.signed_rank(means),
        pratt_prompt_p=rank_tests.signed_rank_pratt(means),
        prompts=len(means),
    )
