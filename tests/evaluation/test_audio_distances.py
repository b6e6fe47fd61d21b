"""Distances of known Gaussians, what few clips add, and what is refused."""

import numpy as np
import pytest
import scipy.linalg
import sklearn.metrics.pairwise

from musicrl_jax.core import errors
from musicrl_jax.evaluation import audio_distances as distances

SIZE = 8


def covariance(rng, size=SIZE):
    root = rng.normal(size=(size, size + 2))
    return root @ root.T / size


def sample(count, mean=0.0, scale=1.0, size=SIZE, seed=0):
    return mean + scale * np.random.default_rng(seed).normal(size=(count, size))


def test_commuting_covariances_have_a_closed_form():
    # Roots of the eigenvalues subtract: (3 - 1)^2 + (1 - 2)^2, and means 3-4-5.
    covariances = (np.diag([9.0, 1.0]), np.diag([1.0, 4.0]))
    means = (np.array([0.0, 0.0]), np.array([3.0, 4.0]))
    found = distances.gaussian_distance(means, covariances)
    assert found == pytest.approx(25 + 4 + 1, abs=1e-12)


def test_agrees_with_the_root_of_the_product():
    rng = np.random.default_rng(1)
    one, other = covariance(rng), covariance(rng)
    means = (rng.normal(size=SIZE), rng.normal(size=SIZE))
    root = scipy.linalg.sqrtm(one @ other)
    expected = (
        np.sum((means[0] - means[1]) ** 2)
        + np.trace(one)
        + np.trace(other)
        - 2 * np.trace(root).real
    )
    found = distances.gaussian_distance(means, (one, other))
    assert found == pytest.approx(expected, abs=1e-10)
    swapped = distances.gaussian_distance(means[::-1], (other, one))
    assert swapped == pytest.approx(found, abs=1e-10)


def test_covariances_without_full_rank_are_no_trouble():
    # Planes that share one direction: 4 + 4 - 2 * 2 of it, and 1 and 1 of the others.
    one, other = np.diag([4.0, 1.0, 0.0]), np.diag([4.0, 0.0, 1.0])
    found = distances.gaussian_distance((np.zeros(3),) * 2, (one, other))
    assert found == pytest.approx(2.0, abs=1e-12)


def test_bias_is_what_equal_distributions_show():
    raw = [
        distances._raw_frechet(sample(300, seed=2 * n), sample(200, seed=2 * n + 1))
        for n in range(40)
    ]
    reference = sample(20_000)
    each = distances.frechet_bias(reference, len(reference)) * len(reference) / 2
    # Of a unit covariance: the trace, and (e^2 + e) / 4.
    assert each == pytest.approx(SIZE + (SIZE**2 + SIZE) / 4, rel=0.02)
    assert np.mean(raw) == pytest.approx(each * (1 / 300 + 1 / 200), rel=0.1)


def test_infinity_takes_the_bias_away():
    found = [
        distances.frechet_at_infinity(
            sample(200, seed=2 * n), sample(150, seed=2 * n + 1)
        )
        for n in range(10)
    ]
    bias = distances.frechet_bias(sample(200), 150)
    values = np.array([one.value for one in found])
    assert abs(values.mean()) < 0.1 * bias
    assert all(abs(one.value) < 4 * one.standard_error for one in found)


def test_infinity_finds_a_true_distance():
    # Means 0.3 apart and deviations 1 and 1.5, in each dimension.
    true = SIZE * (0.3**2 + 0.5**2)
    found = distances.frechet_at_infinity(
        sample(800), sample(600, mean=0.3, scale=1.5, seed=1)
    )
    assert found.value == pytest.approx(true, abs=3 * found.standard_error)
    assert found.standard_error < 0.2 * true


def test_standard_error_is_that_of_repeated_samples():
    found = [
        distances.frechet_at_infinity(
            sample(200, seed=2 * n), sample(200, mean=0.5, seed=2 * n + 1)
        )
        for n in range(30)
    ]
    spread = np.std([one.value for one in found])
    claimed = np.mean([one.standard_error for one in found])
    assert 0.7 < claimed / spread < 1.6


@pytest.mark.parametrize("kernel", ["gaussian", "polynomial"])
def test_kernel_distance_is_unbiased_and_finds_a_shift(kernel):
    reference = sample(150)
    kernels = {
        "gaussian": distances.median_kernel(reference),
        "polynomial": distances.polynomial_kernel,
    }
    same = [
        distances.kernel_distance(
            sample(150, seed=2 * n), sample(101, seed=2 * n + 1), kernels[kernel]
        )
        for n in range(20)
    ]
    values = np.array([one.value for one in same])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    assert values.min() < 0 < values.max()
    assert all(abs(one.value) < 4 * one.standard_error for one in same)
    moved = distances.kernel_distance(
        reference, sample(101, mean=0.6, seed=1), kernels[kernel]
    )
    assert moved.value > 4 * moved.standard_error


def test_polynomial_distance_has_a_closed_form_without_noise():
    # Constant sets: every product is the same, so the means of pairs are exact.
    one, other = np.full((20, 4), 1.0), np.full((20, 4), 2.0)
    found = distances.kernel_distance(one, other, distances.polynomial_kernel)
    assert found.value == pytest.approx(2**3 + 5**3 - 2 * 3**3)
    assert found.standard_error == pytest.approx(0)


def test_gaussian_kernel_agrees_with_another_implementation():
    one, other = sample(5), sample(7, seed=1)
    kernel = distances.median_kernel(sample(50))
    expected = sklearn.metrics.pairwise.rbf_kernel(
        one, other, gamma=1 / (2 * kernel.bandwidth**2)
    )
    np.testing.assert_allclose(kernel(one, other), expected)


def test_the_raw_distance_is_refused_unless_there_are_many_clips():
    with pytest.raises(errors.InputError, match="needs 400 clips in 8") as refused:
        distances.frechet(sample(5_000), sample(101, seed=1))
    assert f"{distances.frechet_bias(sample(5_000), 101):.3g}" in str(refused.value)
    found = distances.frechet(sample(1_000), sample(1_000, mean=1.0, seed=1))
    assert found.value == pytest.approx(SIZE, abs=4 * found.standard_error)


def test_infinity_is_refused_where_covariances_lack_rank():
    # A half of nine tenths must have more than 32 clips.
    with pytest.raises(errors.InputError, match="needs 74 clips in 32"):
        distances.frechet_at_infinity(sample(500, size=32), sample(60, size=32))
    enough = sample(74, size=32)
    assert np.isfinite(distances.frechet_at_infinity(enough, enough).value)
    with pytest.raises(errors.InputError, match="got 73"):
        distances.frechet_at_infinity(enough, enough[1:])


def test_refuses_too_few_clips_and_one_clip_repeated():
    with pytest.raises(errors.InputError, match="20 clips or more"):
        distances.kernel_distance(sample(30), sample(19), distances.polynomial_kernel)
    with pytest.raises(errors.InputError, match="one clip repeated"):
        distances.median_kernel(np.ones((20, 3)))
    with pytest.raises(errors.InputError, match="Use a reference of 20 or"):
        distances.median_kernel(np.ones((1, 3)))
