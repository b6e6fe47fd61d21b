"""How far raters agree with one another."""

import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors


def krippendorff_alpha(scores: Float[np.ndarray, "clips raters"]) -> float:
    """Returns Krippendorff's alpha for scores on an interval scale.

    One minus the mean squared difference of two scores of the same clip over that of
    two scores of any clips: 1 where raters agree, 0 where they agree as by chance,
    negative where they contradict one another. Raters need not score every clip.
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
        raise errors.InputError(
            "Agreement needs a clip with two scores or more; none has. Let several "
            "raters score each clip."
        )
    number = counts[counts >= 2]
    values = paired[np.isfinite(paired)]
    # Summed over ordered pairs of n values, squared differences are 2 n^2 variances.
    within = np.sum(2 * number**2 * np.nanvar(paired, axis=1) / (number - 1))
    between = 2 * len(values) ** 2 * np.var(values) / (len(values) - 1)
    return 1.0 if between == 0 else float(1 - within / between)
