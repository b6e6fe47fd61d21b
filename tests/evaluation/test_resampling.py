"""The two-stage bootstrap's mean and variance in closed form."""

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation import resampling

CLUSTERS, CELLS, ROWS = 12, 2, 3


def design():
    clusters = np.repeat(np.arange(CLUSTERS), CELLS * ROWS)
    return clusters, np.repeat(np.arange(CLUSTERS * CELLS), ROWS)


def test_each_resample_keeps_clusters_and_cells_whole():
    clusters, cells = design()
    weights = resampling.two_stage_weights(clusters, cells, resamples=50, seed=0)
    per_cell = weights.reshape(50, CLUSTERS, CELLS, ROWS).sum(axis=-1)
    # A cluster that is drawn k times has 3 k rows of each cell.
    np.testing.assert_array_equal(per_cell[:, :, 0], per_cell[:, :, 1])
    assert np.all(per_cell % ROWS == 0)
    np.testing.assert_array_equal(weights.sum(axis=1), len(clusters))


def test_mean_and_variance_are_those_of_both_stages():
    clusters, cells = design()
    values = np.random.default_rng(1).normal(size=len(clusters)) + clusters
    weights = resampling.two_stage_weights(clusters, cells, resamples=20_000, seed=2)
    means = weights @ values / len(values)
    cell_values = values.reshape(CLUSTERS, CELLS, ROWS)
    between = np.var(cell_values.mean(axis=(1, 2)))
    within = np.mean(np.var(cell_values, axis=-1)) / (CELLS * ROWS)
    assert means.mean() == pytest.approx(values.mean(), abs=4 * means.std() / 141)
    assert np.var(means) == pytest.approx((between + within) / CLUSTERS, rel=0.05)


def test_rows_may_come_in_any_order():
    clusters, cells = design()
    order = np.random.default_rng(3).permutation(len(clusters))
    weights = resampling.two_stage_weights(
        clusters[order], cells[order], resamples=20, seed=0
    )
    in_place = np.empty_like(weights)
    in_place[:, order] = weights
    per_cell = in_place.reshape(20, CLUSTERS, CELLS, ROWS).sum(axis=-1)
    np.testing.assert_array_equal(per_cell[:, :, 0], per_cell[:, :, 1])


def test_interval_leaves_out_what_is_not_known():
    values = np.array([np.nan, *np.arange(101.0)])
    assert resampling.percentile_interval(values) == pytest.approx((2.5, 97.5))
    low, high = resampling.percentile_interval(np.full(3, np.nan))
    assert np.isnan(low)
    assert np.isnan(high)


def test_refuses_cells_across_clusters_and_nothing():
    with pytest.raises(errors.InputError, match="one cluster"):
        resampling.two_stage_weights(
            np.array([0, 1]), np.array([0, 0]), resamples=1, seed=0
        )
    none = np.zeros(0, np.int64)
    with pytest.raises(errors.InputError, match="needs rows"):
        resampling.two_stage_weights(none, none, resamples=1, seed=0)
