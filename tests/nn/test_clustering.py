"""k-means and residual k-means."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.cluster.vq
import sklearn.cluster

from musicrl_jax.core import errors
from musicrl_jax.nn import clustering


def _blobs(clusters: int, each: int, width: int = 3) -> jax.Array:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(clusters, 1, width)) * 10
    points = centres + generator.normal(size=(clusters, each, width)) * 0.1
    return jnp.asarray(points.reshape(-1, width), jnp.float32)


def test_nearest_agrees_with_scipy():
    points, centroids = _blobs(7, 5), _blobs(4, 3)
    labels, _ = scipy.cluster.vq.vq(np.asarray(points), np.asarray(centroids))
    np.testing.assert_array_equal(clustering.nearest(points, centroids), labels)
    grid = clustering.nearest(points.reshape(5, 7, 3), centroids)
    np.testing.assert_array_equal(grid, labels.reshape(5, 7))


def test_kmeans_error_is_near_scipys_from_several_starts():
    points = jax.random.normal(jax.random.key(1), (400, 4))
    _, distortion = scipy.cluster.vq.kmeans(np.asarray(points), 8, rng=0)
    ours = clustering.fit_kmeans(jax.random.key(0), points, 8)
    _, distances = scipy.cluster.vq.vq(np.asarray(points), np.asarray(ours))
    assert distances.mean() < 1.05 * distortion


@pytest.mark.parametrize("iterations", [1, 8])
def test_lloyd_makes_of_the_same_start_what_scikit_learn_makes(iterations):
    points = np.random.default_rng(3).normal(size=(500, 5)).astype(np.float32)
    first = points[:12]
    ours = clustering.lloyd(jnp.asarray(points), jnp.asarray(first), iterations)
    with warnings.catch_warnings():
        # It warns of iterations that end before they settle.
        warnings.simplefilter("ignore")
        theirs = sklearn.cluster.KMeans(
            12, init=first, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd"
        ).fit(points)
    np.testing.assert_allclose(ours, theirs.cluster_centers_, rtol=1e-5, atol=1e-5)


def test_centroids_are_the_means_of_their_points():
    points = _blobs(6, 20)
    centroids = clustering.fit_kmeans(jax.random.key(2), points, 5, iterations=50)
    labels = np.asarray(clustering.nearest(points, centroids))
    for i in range(5):
        mean = points[labels == i].mean(axis=0)
        np.testing.assert_allclose(centroids[i], mean, rtol=1e-4, atol=1e-4)


def test_no_cluster_stays_empty_where_points_repeat():
    points = jnp.repeat(_blobs(8, 1), 30, axis=0)
    centroids = clustering.fit_kmeans(jax.random.key(0), points, 8)
    assert len(np.unique(clustering.nearest(points, centroids))) == 8


def test_each_level_leaves_less_and_the_sum_is_the_code():
    points = jax.random.normal(jax.random.key(3), (300, 6))
    codebooks = clustering.fit_residual(jax.random.key(0), points, 4, 16)
    codes = clustering.residual_codes(points, codebooks)
    left = [
        float(
            jnp.mean(
                jnp.square(
                    points - clustering.residual_sum(codes[:, :k], codebooks[:k])
                )
            )
        )
        for k in range(1, 5)
    ]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.5 * left[0]
    rest = points
    for level in range(4):
        np.testing.assert_array_equal(
            codes[:, level], clustering.nearest(rest, codebooks[level])
        )
        rest = rest - codebooks[level][codes[:, level]]


def test_too_few_points_are_refused():
    with pytest.raises(errors.InputError, match="at least as many points"):
        clustering.fit_kmeans(jax.random.key(0), _blobs(1, 3), 4)
