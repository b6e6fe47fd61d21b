"""Signed-rank tests of differences, and their correction for several of them."""

from collections.abc import Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float, Int

DECIMALS = 9
"""Of differences, so that equal means of several scores tie."""
MOST_EXACT = 50
"""Differences other than 0 up to which the distribution is exact."""


def signed_rank(differences: Float[np.ndarray, " n"]) -> float:
    """Returns the two-sided p-value of Wilcoxon's signed-rank test.

    Differences of 0 are left out, as Wilcoxon does. Of `MOST_EXACT` others or fewer the
    distribution of the statistic is exact, all signs being equally likely, for tied
    ranks too; of more it is the normal one, with the correction for ties. No difference
    at all gives 1.
    """
    return _signed_rank(differences, zero_method="wilcox")


def signed_rank_pratt(differences: Float[np.ndarray, " n"]) -> float:
    """Returns `signed_rank` with zeros ranked first and left out afterwards.

    Source: Pratt, *Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures*,
    1959.
    """
    return _signed_rank(differences, zero_method="pratt")


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Returns p-values corrected for their number, in the same order.

    Source: Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    raised = np.maximum.accumulate(np.asarray(p_values, np.float64)[order] * factors)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(raised, 1.0)
    return tuple(float(value) for value in corrected)


def _signed_rank(differences: Float[np.ndarray, " n"], zero_method: str) -> float:
    rounded = np.round(np.asarray(differences, np.float64), DECIMALS)
    if not rounded.any():
        return 1.0
    if np.count_nonzero(rounded) <= MOST_EXACT:
        return _exact(rounded, zero_method)
    result = scipy.stats.wilcoxon(rounded, zero_method=zero_method, method="asymptotic")
    return float(np.asarray(result)[1])


def _exact(differences: Float[np.ndarray, " n"], zero_method: str) -> float:
    """Returns the p-value among all ways to choose the signs of the ranks."""
    if zero_method == "wilcox":
        differences = differences[differences != 0]
    kept = differences != 0
    ranks = scipy.stats.rankdata(np.abs(differences))[kept]
    twice = np.rint(2 * ranks).astype(np.int64)  # ranks of ties may be halves
    positive = int(np.sum(twice[differences[kept] > 0]))
    chances = _sums(twice)
    tail = min(chances[: positive + 1].sum(), chances[positive:].sum())
    return float(min(2 * tail, 1.0))


def _sums(terms: Int[np.ndarray, " n"]) -> Float[np.ndarray, " sums"]:
    """Returns the probability of each sum where each term is there or not, evenly."""
    chances = np.zeros(int(terms.sum()) + 1)
    chances[0] = 1.0
    for term in terms:
        chances[term:] += chances[:-term].copy()
        chances /= 2
    return chances
