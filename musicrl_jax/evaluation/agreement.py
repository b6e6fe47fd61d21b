"""How far raters agree with one another."""

import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors

_NONE_PAIRED = (
    "Agreement needs a clip with two scores or more; none has. Let several raters "
    "score each clip."
)


def krippendorff_alpha(scores: Float[np.ndarray, "clips raters"]) -> float:
    """Returns Krippendorff's alpha for scores on an interval scale.

    One minus the mean squared difference of two scores of the same clip over that of
    two scores of any clips: 1 where raters agree, 0 where they agree as by chance,
    negative where they contradict one another, NaN where all scores are the same and
    nothing tells agreement from chance. Raters need not score every clip.
    Source: Krippendorff, *Computing Krippendorff's Alpha-Reliability*, 2011.

    Args:
      scores: NaN where a rater has not scored a clip; clips with fewer than two scores
        are left out.

    Raises:
      InputError: where no clip has two scores.
    """
    counts = np.sum(np.isfinite(scores), axis=1)
    paired = np.asarray(scores[counts >= 2], np.float64)
    if not len(paired):
        raise errors.InputError(_NONE_PAIRED)
    number = counts[counts >= 2]
    values = paired[np.isfinite(paired)]
    # Summed over ordered pairs of n values, squared differences are 2 n^2 variances.
    within = np.sum(2 * number**2 * np.nanvar(paired, axis=1) / (number - 1))
    between = 2 * len(values) ** 2 * np.var(values) / (len(values) - 1)
    return float(1 - within / between) if between > 0 else float("nan")


def krippendorff_alpha_nominal(scores: Float[np.ndarray, "clips raters"]) -> float:
    """Returns Krippendorff's alpha for scores that are only equal or different.

    Args and errors are those of `krippendorff_alpha`.
    """
    values, coincidences = _coincidences(scores)
    return _alpha(coincidences, 1.0 - np.eye(len(values)))


def krippendorff_alpha_ordinal(scores: Float[np.ndarray, "clips raters"]) -> float:
    """Returns Krippendorff's alpha for scores of which only the order counts.

    Two scores are as far apart as there are scores between them, half of those equal
    to either included. Args and errors are those of `krippendorff_alpha`.
    """
    _, coincidences = _coincidences(scores)
    frequency = coincidences.sum(axis=1)
    middle = np.cumsum(frequency) - frequency / 2
    return _alpha(coincidences, np.square(middle[:, None] - middle[None, :]))


def pairwise_agreement(scores: Float[np.ndarray, "clips raters"]) -> float:
    """Returns the share of pairs of scores of the same clip that are equal.

    Each pair counts the same. Args and errors are those of `krippendorff_alpha`.
    """
    counts = _value_counts(scores)[1]
    number = counts.sum(axis=1)
    equal = np.sum(counts * (counts - 1))
    return float(equal / np.sum(number * (number - 1)))


def cohen_kappa(
    one: Float[np.ndarray, " one"], other: Float[np.ndarray, " other"]
) -> float:
    """Returns Cohen's kappa of two lists of choices; NaN where all are the same.

    Agreement beyond that of chance, over what chance leaves: 1 is full agreement, 0
    that of chance. Source: Cohen, *A Coefficient of Agreement for Nominal Scales*,
    1960.

    Raises:
      InputError: where the lists are empty or differ in length.
    """
    if not len(one) or len(one) != len(other):
        raise errors.InputError(
            f"Kappa needs two choices of each case; got {len(one)} and {len(other)}. "
            "Leave out cases that lack one."
        )
    values = np.union1d(one, other)
    shares = [np.mean(np.equal.outer(x, values), axis=0) for x in (one, other)]
    chance = float(np.dot(*shares))
    return (
        float("nan")
        if chance == 1
        else float((np.mean(one == other) - chance) / (1 - chance))
    )


def _value_counts(
    scores: Float[np.ndarray, "clips raters"],
) -> tuple[Float[np.ndarray, " v"], Float[np.ndarray, "paired v"]]:
    """Returns the distinct scores, and how often each clip with two or more has them.

    Raises:
      InputError: where no clip has two scores.
    """
    paired = scores[np.sum(np.isfinite(scores), axis=1) >= 2]
    if not len(paired):
        raise errors.InputError(_NONE_PAIRED)
    values = np.unique(paired[np.isfinite(paired)])
    return values, np.sum(paired[:, :, None] == values, axis=1).astype(np.float64)


def _coincidences(
    scores: Float[np.ndarray, "clips raters"],
) -> tuple[Float[np.ndarray, " v"], Float[np.ndarray, "v v"]]:
    """Returns the distinct scores and how often two of them meet in a clip."""
    values, counts = _value_counts(scores)
    weighted = counts / (counts.sum(axis=1, keepdims=True) - 1)
    return values, weighted.T @ counts - np.diag(weighted.sum(axis=0))


def _alpha(
    coincidences: Float[np.ndarray, "v v"], differences: Float[np.ndarray, "v v"]
) -> float:
    """Returns one minus observed over expected squared differences, or NaN."""
    frequency = coincidences.sum(axis=1)
    met_by_chance = np.outer(frequency, frequency) - np.diag(frequency)
    between = np.sum(met_by_chance * differences) / (frequency.sum() - 1)
    within = np.sum(coincidences * differences)
    return float(1 - within / between) if between > 0 else float("nan")
