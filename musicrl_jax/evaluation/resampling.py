"""Bootstrap weights of rows that come in groups."""

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.core import errors


def two_stage_weights(
    clusters: Int[np.ndarray, " n"],
    cells: Int[np.ndarray, " n"],
    *,
    resamples: int,
    seed: int,
) -> Int[np.ndarray, "resamples n"]:
    """Draws clusters, then rows within each cell of the drawn clusters.

    Clusters are drawn with replacement. For each draw of a cluster, each of its cells
    gets as many rows as it has, drawn with replacement. In a rater study the clusters
    are prompts and a cell is one pair of models on one prompt, so that prompts are
    resampled first and raters then. With few rows in a cell the intervals are a little
    too wide, never too narrow: rows vary within a cluster in both stages.

    Args:
      clusters: of each row.
      cells: of each row; a cell lies in one cluster.
      resamples: how many to draw.
      seed: of the draws.

    Returns:
      How often each row is drawn in each resample.

    Raises:
      InputError: where there is no row, or a cell lies in two clusters.
    """
    _check_nested(clusters, cells)
    generator = np.random.default_rng(seed)
    names, members = np.unique(clusters, return_inverse=True)
    even = np.full(len(names), 1 / len(names))
    drawn = generator.multinomial(len(names), even, size=resamples)
    weights = np.zeros((resamples, len(clusters)), np.int64)
    order = np.argsort(cells, kind="stable")
    edges = np.flatnonzero(np.diff(cells[order])) + 1
    for rows in np.split(order, edges):
        draws = drawn[:, members[rows[0]]] * len(rows)
        share = np.full(len(rows), 1 / len(rows))
        weights[:, rows] = generator.multinomial(draws, share)
    return weights


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


def _check_nested(
    clusters: Int[np.ndarray, " n"], cells: Int[np.ndarray, " n"]
) -> None:
    if not len(clusters):
        raise errors.InputError("Resampling needs rows; got none. Give some.")
    pairs = np.unique(np.stack([cells, clusters]), axis=1)
    if len(np.unique(pairs[0])) != pairs.shape[1]:
        raise errors.InputError(
            "A cell of rows must lie in one cluster; some lie in two. Number cells "
            "within clusters."
        )
