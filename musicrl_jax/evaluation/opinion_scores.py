"""How well predicted mean opinion scores fit what raters said."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float

from musicrl_jax.core import errors

CALIBRATION_BINS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bin:
    """Clips of similar predicted score.

    Attributes:
      clips: how many.
      predicted: their mean predicted score.
      opinion: the mean of their mean opinion scores.
    """

    clips: int
    predicted: float
    opinion: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """Predictions against mean opinion scores.

    Attributes:
      clips: how many.
      spearman: rank correlation; 0 where either does not vary.
      mse: mean squared error, in points squared.
      variance: of the mean opinion scores: the `mse` of always saying their mean.
      calibration_error: mean absolute difference of the bins' means, by clips.
      bins: of equally many clips, by rising prediction.
    """

    clips: int
    spearman: float
    mse: float
    variance: float
    calibration_error: float
    bins: tuple[Bin, ...]

    def figures(self) -> dict[str, float]:
        """Returns the scalars by name."""
        names = ("clips", "spearman", "mse", "variance", "calibration_error")
        return {name: float(getattr(self, name)) for name in names}


def fit(
    predicted: Float[np.ndarray, " predicted"],
    opinion: Float[np.ndarray, " opinion"],
    bins: int = CALIBRATION_BINS,
) -> Fit:
    """Compares predictions with mean opinion scores of the same clips.

    Raises:
      InputError: where the numbers differ, or there are fewer than two clips.
    """
    predicted = np.asarray(predicted, np.float64)
    opinion = np.asarray(opinion, np.float64)
    if predicted.shape != opinion.shape or len(predicted) < 2:
        raise errors.InputError(
            "A fit needs a prediction and an opinion for each of 2 clips or more; got "
            f"{predicted.shape} and {opinion.shape}. Score the same clips."
        )
    found = calibration(predicted, opinion, bins)
    shares = [one.clips / len(predicted) for one in found]
    differences = [abs(one.predicted - one.opinion) for one in found]
    return Fit(
        clips=len(predicted),
        spearman=spearman(predicted, opinion),
        mse=float(np.mean(np.square(predicted - opinion))),
        variance=float(np.var(opinion)),
        calibration_error=float(np.dot(shares, differences)),
        bins=found,
    )


def spearman(
    one: Float[np.ndarray, " clips"], other: Float[np.ndarray, " clips"]
) -> float:
    """Returns the rank correlation; 0 where either does not vary."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    ranks = scipy.stats.rankdata(one), scipy.stats.rankdata(other)
    return float(np.corrcoef(*ranks)[0, 1])


def calibration(
    predicted: Float[np.ndarray, " clips"],
    opinion: Float[np.ndarray, " clips"],
    bins: int,
) -> tuple[Bin, ...]:
    """Returns bins of equally many clips (to within one), by rising prediction."""
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return tuple(
        Bin(
            clips=len(part),
            predicted=float(np.mean(predicted[part])),
            opinion=float(np.mean(opinion[part])),
        )
        for part in parts
    )


def fit_by_group(
    predicted: Float[np.ndarray, " clips"],
    opinion: Float[np.ndarray, " clips"],
    groups: Sequence[str],
) -> dict[str, Fit]:
    """Returns `fit` of each group of two clips or more, by name in order."""
    names = np.asarray(groups)
    found = {}
    for name in sorted(set(groups)):
        chosen = names == name
        if chosen.sum() >= 2:
            found[name] = fit(predicted[chosen], opinion[chosen])
    return found
