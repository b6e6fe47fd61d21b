"""Shares of counts: intervals, and exact tests against one half."""

import dataclasses
import math

import scipy.stats

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """So many of so many.

    Attributes:
      count: that have a property.
      total: that could.
      share: count / total; NaN where the total is 0.
      low: lower end of Wilson's score interval; 0 where the total is 0.
      high: its upper end; 1 where the total is 0.
      p_value: of the exact two-sided test that the share is one half.
    """

    count: int
    total: int
    share: float
    low: float
    high: float
    p_value: float


def share_of(count: int, total: int, *, confidence: float = 0.95) -> Share:
    """Returns a share with its interval, as independent draws would have it.

    Source of the interval: Wilson, *Probable Inference, the Law of Succession, and
    Statistical Inference*, 1927.

    Raises:
      InputError: where the count lies outside 0 to total.
    """
    if not 0 <= count <= total:
        raise errors.InputError(
            f"A share counts 0 to all of its cases; got {count} of {total}. Check both."
        )
    if total == 0:
        return Share(count=0, total=0, share=math.nan, low=0.0, high=1.0, p_value=1.0)
    result = scipy.stats.binomtest(count, total)
    interval = result.proportion_ci(confidence_level=confidence, method="wilson")
    return Share(
        count=count,
        total=total,
        share=count / total,
        low=float(interval.low),
        high=float(interval.high),
        p_value=float(result.pvalue),
    )
