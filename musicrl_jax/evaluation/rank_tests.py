"""Signed-rank tests of differences, and their correction for several of them."""

from collections.abc import Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float

DECIMALS = 9
"""Of differences, so that equal means of several scores tie."""


def signed_rank(differences: Float[np.ndarray, " n"]) -> float:
    """Returns the two-sided p-value of Wilcoxon's signed-rank test.

    Differences of 0 are left out, as Wilcoxon does; the distribution of the statistic
    is the normal one, with the correction for ties. No difference at all gives 1.
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
    result = scipy.stats.wilcoxon(rounded, zero_method=zero_method, method="asymptotic")
    return float(np.asarray(result)[1])
