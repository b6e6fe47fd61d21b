"""Bootstrap weights of ratings, which share prompts and raters, and intervals."""

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.core import errors


def crossed_weights(
    prompts: Int[np.ndarray, " n"],
    raters: Int[np.ndarray, " n"],
    *,
    resamples: int,
    seed: int,
) -> Int[np.ndarray, "resamples n"]:
    """Draws prompts and raters, both with replacement (the pigeonhole bootstrap).

    A rating is drawn as often as its prompt times as often as its rater, so that what
    the ratings of a prompt share, and what those of a rater share, both vary.

    Percentile intervals of means are a little too wide with many prompts and raters:
    noise of single ratings varies in both draws. They are too narrow with few of
    either. In simulations with 101 prompts and three ratings of each, 95 % intervals
    cover the truth 99 % of the time where 12 raters do not differ and 94 % where their
    levels differ by a standard deviation of 0.5 points; of 6 raters who differ it is 90
    %, and of 3 it is 74 %. Where prompts differ far more than ratings of one, it is 94
    % with 10 prompts, 90 % with 5, 78 % with 3 and next to nothing with 1.
    Source: Owen, *The Pigeonhole Bootstrap*, 2007.

    Args:
      prompts: of each rating.
      raters: of each rating.
      resamples: how many to draw.
      seed: of the draws.

    Returns:
      How often each rating is drawn in each resample; the sum varies, and is 0 where
      no drawn rater rated a drawn prompt.

    Raises:
      InputError: where there is no rating.
    """
    if not len(prompts):
        raise errors.InputError("Resampling needs rows; got none. Give some.")
    generator = np.random.default_rng(seed)
    drawn = []
    for groups in (prompts, raters):
        names, members = np.unique(groups, return_inverse=True)
        even = np.full(len(names), 1 / len(names))
        times = generator.multinomial(len(names), even, size=resamples)
        drawn.append(times[:, members])
    return drawn[0] * drawn[1]


def percentile_interval(
    values: Float[np.ndarray, " resamples"], *, confidence: float = 0.95
) -> tuple[float, float]:
    """Returns the interval between two percentiles; NaN are left out.

    Where every value is NaN, so are both ends.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    tail = 50 * (1 - confidence)
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
