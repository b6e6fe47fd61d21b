"""Paired comparisons: the same prompts and seeds before and after."""

import dataclasses

import numpy as np
import scipy.stats
from jaxtyping import Float, Shaped

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """How a score changed over n pairs.

    Attributes:
      before: mean score before.
      after: mean score after.
      difference: mean of `after - before`.
      standard_error: of the mean difference, over pairs.
      low: lower end of the bootstrap confidence interval of the mean difference.
      high: its upper end.
      sign_p_value: two-sided sign test over the pairs that differ; for scores of 0
        and 1 this is McNemar's exact test.
      improved: pairs whose score rose.
      worsened: pairs whose score fell.
      pairs: n.
    """

    before: float
    after: float
    difference: float
    standard_error: float
    low: float
    high: float
    sign_p_value: float
    improved: int
    worsened: int
    pairs: int

    @property
    def in_standard_errors(self) -> float:
        """The mean difference over its standard error; 0 where nothing changed."""
        if self.difference == 0:
            return 0.0
        if self.standard_error == 0:
            return float(np.copysign(np.inf, self.difference))
        return self.difference / self.standard_error

    @property
    def significant(self) -> bool:
        """Whether the confidence interval leaves out 0."""
        return self.low > 0 or self.high < 0


def compare_pairs(
    before: Shaped[np.ndarray, " before"],
    after: Shaped[np.ndarray, " after"],
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedComparison:
    """Compares two scores of the same prompts, in the same order.

    Raises:
      InputError: where the numbers differ, are fewer than two, or are not finite.
    """
    before = np.asarray(before, np.float64)
    after = np.asarray(after, np.float64)
    if before.shape != after.shape or before.ndim != 1 or len(before) < 2:
        raise errors.InputError(
            "A paired comparison needs two equally long vectors of at least 2 scores; "
            f"got {before.shape} and {after.shape}. Score the same prompts twice."
        )
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise errors.InputError(
            "Scores must be finite; got NaN or infinity. Look at the clips they score."
        )
    difference = after - before
    low, high = _interval(difference, confidence, seed)
    improved, worsened = int((difference > 0).sum()), int((difference < 0).sum())
    changed = improved + worsened
    p_value = scipy.stats.binomtest(improved, changed).pvalue if changed else 1.0
    return PairedComparison(
        before=float(before.mean()),
        after=float(after.mean()),
        difference=float(difference.mean()),
        standard_error=float(scipy.stats.sem(difference)),
        low=low,
        high=high,
        sign_p_value=float(p_value),
        improved=improved,
        worsened=worsened,
        pairs=len(difference),
    )


def _interval(
    difference: Float[np.ndarray, " pairs"], confidence: float, seed: int
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of the mean."""
    if np.ptp(difference) == 0:
        return float(difference[0]), float(difference[0])
    result = scipy.stats.bootstrap(
        (difference,),
        np.mean,
        confidence_level=confidence,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
