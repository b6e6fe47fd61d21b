"""k-means over batches: near full Lloyd, the same on any mesh, resumable."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, sharding
from musicrl_jax.nn import clustering, streaming_kmeans

BATCH, STEPS = 256, 60
CENTRES = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32) * 8
KMEANS = streaming_kmeans.StreamingKMeans(size=12, steps=STEPS)


def batch(step):
    """Draws points around known centres, some three times as common as others."""
    generator = np.random.default_rng((1, step))
    share = np.linspace(1, 3, 12) / 24
    centre = generator.choice(12, BATCH, p=share)
    return CENTRES[centre] + generator.normal(size=(BATCH, 4)).astype(np.float32)


def run(kmeans=KMEANS, steps=STEPS, clusters=None, place=jnp.asarray):
    root = jax.random.key(0)
    clusters = clusters or kmeans.start(root, place(batch(0)))
    for step in range(int(clusters.step), steps):
        key = jax.random.fold_in(root, step)
        clusters, figures = kmeans.update(clusters, key, place(batch(step)))
    return clusters, figures


def inertia(points, centroids):
    labels = clustering.nearest(points, centroids)
    return float(jnp.mean(jnp.sum(jnp.square(points - centroids[labels]), axis=-1)))


def test_a_stream_is_nearly_as_good_as_all_points_at_once():
    points = jnp.concatenate([jnp.asarray(batch(step)) for step in range(STEPS)])
    clusters, figures = run()
    full = clustering.lloyd(points, jnp.asarray(CENTRES), 25)
    assert inertia(points, clusters.centroids) < 1.03 * inertia(points, full)
    assert float(figures["dead"]) == 0
    assert float(figures["inertia"]) == pytest.approx(inertia(points, full), rel=0.2)
    gaps = jnp.linalg.norm(clusters.centroids[:, None] - CENTRES[None], axis=-1)
    assert float(jnp.max(jnp.min(gaps, axis=0))) < 0.5


def test_shares_are_those_of_the_points():
    clusters, _ = run()
    points = jnp.concatenate([jnp.asarray(batch(step)) for step in range(STEPS)])
    labels = clustering.nearest(points, clusters.centroids)
    found = np.bincount(labels, minlength=12) / len(labels)
    np.testing.assert_allclose(clusters.shares, found, atol=0.02)


def test_four_devices_find_what_one_finds():
    mesh = sharding.make_mesh(sharding.MeshConfig())
    place = sharding.batch_sharding(mesh)
    alone, _ = run(steps=20)
    together, _ = run(steps=20, place=lambda points: jax.device_put(points, place))
    assert len(jax.device_put(batch(0), place).sharding.device_set) == 4
    np.testing.assert_allclose(alone.centroids, together.centroids, atol=1e-4)
    np.testing.assert_allclose(alone.shares, together.shares, atol=1e-5)


def test_a_run_that_goes_on_ends_as_one_that_was_not_stopped():
    whole, _ = run(steps=12)
    half, _ = run(steps=6)
    resumed, _ = run(steps=12, clusters=half)
    np.testing.assert_array_equal(whole.centroids, resumed.centroids)


def test_the_average_forgets_as_it_says():
    """One cluster: batch t moves it by memory / (t + memory) of the way."""
    kmeans = streaming_kmeans.StreamingKMeans(size=1, steps=3, memory=2.0)
    points = [jnp.full((4, 1), value) for value in (1.0, 2.0, 5.0)]
    clusters = kmeans.start(jax.random.key(0), points[0])
    for step, batch_points in enumerate(points):
        key = jax.random.key(step)
        clusters, _ = kmeans.update(clusters, key, batch_points)
    expected = 0.6 * (0.5 * (1 / 3 * 1 + 2 / 3 * 1) + 0.5 * 2) + 0.4 * 5
    np.testing.assert_allclose(clusters.centroids, [[expected]], rtol=1e-5)
    np.testing.assert_allclose(clusters.shares, [1.0], rtol=1e-5)


def test_dead_clusters_come_back_in_the_first_half_only():
    lost = streaming_kmeans.Clusters(
        step=jnp.asarray(9),
        centroids=jnp.asarray(CENTRES).at[3].set(1e3),
        shares=jnp.full((12,), 1 / 12).at[3].set(0.0),
    )
    early = streaming_kmeans.StreamingKMeans(size=12, steps=40)
    late = streaming_kmeans.StreamingKMeans(size=12, steps=18)
    points = jnp.asarray(batch(0))
    back, figures = early.update(lost, jax.random.key(0), points)
    assert float(figures["dead"]) == pytest.approx(1 / 12)
    assert float(jnp.max(jnp.abs(back.centroids[3]))) < 100
    kept, _ = late.update(lost, jax.random.key(0), points)
    np.testing.assert_array_equal(kept.centroids[3], 1e3)


def test_seeds_are_distinct_points_far_apart():
    points = jnp.repeat(jnp.asarray(CENTRES), 20, axis=0)
    found = streaming_kmeans.seeds(jax.random.key(2), points, 12)
    assert len(np.unique(np.asarray(found), axis=0)) == 12


@pytest.mark.parametrize(
    "fields", [{"size": 0}, {"steps": 0}, {"memory": 0.5}, {"dead_share": 1.0}]
)
def test_settings_that_cannot_be_are_refused(fields):
    with pytest.raises(errors.InputError, match="StreamingKMeans"):
        streaming_kmeans.StreamingKMeans(**({"size": 2, "steps": 2} | fields))


def test_batches_smaller_than_the_clusters_are_refused():
    with pytest.raises(errors.InputError, match="11 for 12"):
        KMEANS.start(jax.random.key(0), jnp.zeros((11, 4)))
