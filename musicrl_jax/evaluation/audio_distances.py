"""How far two sets of clips are apart, as an embedding hears them.

The Fréchet distance of n clips is too large by about a constant over n, which at a few
hundred clips is most of it. So it is extrapolated to infinitely many clips, or refused.
The kernel distance has no such bias, at any number of clips; it can be negative.

Sources: Gui et al., *Adapting Fréchet Audio Distance for Generative Music Evaluation*,
2024 (extrapolation); Gretton et al., *A Kernel Two-Sample Test*, 2012 (unbiased MMD);
Chung et al., *KAD: No More FAD!*, 2025.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.spatial.distance
from jaxtyping import Float, Int

from musicrl_jax.core import errors

MOST_PARTS = 4
LARGE = 50
"""Clips a dimension at which the bias of the raw Fréchet distance is about 1 %."""
GROUPS = 10
LEAST_CLIPS = 2 * GROUPS

Kernel = Callable[
    [Float[np.ndarray, "a e"], Float[np.ndarray, "b e"]], Float[np.ndarray, "a b"]
]
_Measure = Callable[[Int[np.ndarray, " i"], Int[np.ndarray, " j"]], float]


@runtime_checkable
class Embed(Protocol):
    """Turns clips into vectors."""

    def __call__(self, waveform: Float[np.ndarray, "b n"]) -> Float[np.ndarray, "b e"]:
        """Returns one vector for each clip."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A distance of two distributions, from samples of them.

    Attributes:
      value: the estimate.
      standard_error: by leaving out a tenth of either set at a time (jackknife).
    """

    value: float
    standard_error: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class GaussianKernel:
    """exp(-|x - y|^2 / (2 bandwidth^2))."""

    bandwidth: float

    def __call__(
        self, one: Float[np.ndarray, "a e"], other: Float[np.ndarray, "b e"]
    ) -> Float[np.ndarray, "a b"]:
        """Returns the kernel of all pairs."""
        squared = scipy.spatial.distance.cdist(one, other, "sqeuclidean")
        return np.exp(-squared / (2 * self.bandwidth**2))


def check_counts(reference: int, clips: int) -> None:
    """Refuses sets that are too small for any distance.

    Raises:
      InputError: for fewer than `LEAST_CLIPS` in either.
    """
    if min(reference, clips) < LEAST_CLIPS:
        raise errors.InputError(
            f"A distance needs {LEAST_CLIPS} clips or more in either set; got "
            f"{reference} of the reference and {clips} to compare. Use more."
        )


def polynomial_kernel(
    one: Float[np.ndarray, "a e"], other: Float[np.ndarray, "b e"]
) -> Float[np.ndarray, "a b"]:
    """Returns (x y / e + 1)^3 of all pairs, as in the kernel inception distance."""
    return (one @ other.T / one.shape[1] + 1) ** 3


def median_kernel(reference: Float[np.ndarray, "n e"]) -> GaussianKernel:
    """Returns the Gaussian kernel as wide as the median distance of two vectors.

    Raises:
      InputError: where there are no pairs, or more than half of them are equal.
    """
    if len(reference) < 2:
        raise errors.InputError(
            "A kernel's width comes from the distances of different clips; got "
            f"{len(reference)} clip. Use a reference of {LEAST_CLIPS} or more."
        )
    median = float(np.median(scipy.spatial.distance.pdist(reference)))
    if not median > 0:
        raise errors.InputError(
            "A kernel's width comes from the distances of different clips; the median "
            f"of {len(reference)} is 0. Use a reference that is not one clip repeated."
        )
    return GaussianKernel(bandwidth=median)


def gaussian_distance(
    means: tuple[Float[np.ndarray, " e"], Float[np.ndarray, " e"]],
    covariances: tuple[Float[np.ndarray, "e e"], Float[np.ndarray, "e e"]],
) -> float:
    """Returns the squared Fréchet distance of two Gaussians.

    The trace of the root of A B is taken of the symmetric root(A) B root(A), which has
    the same eigenvalues and no imaginary parts.
    """
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.linalg.eigvalsh(root @ covariances[1] @ root)
    traces = np.trace(covariances[0]) + np.trace(covariances[1])
    apart = np.sum(np.square(means[0] - means[1]))
    return float(apart + traces - 2 * np.sum(np.sqrt(np.maximum(shared, 0))))


def frechet_bias(reference: Float[np.ndarray, "n e"], clips: int) -> float:
    """Returns what the raw distance of equal Gaussians would be, to first order.

    Args:
      reference: vectors whose covariance the Gaussians have.
      clips: how many there are in the other set.
    """
    values = np.maximum(np.linalg.eigvalsh(np.cov(reference, rowvar=False)), 0)
    sums = np.add.outer(values, values)
    products = np.multiply.outer(values, values)
    both = np.divide(products, sums, out=np.zeros_like(sums), where=sums > 0)
    of_covariances = (np.sum(both) + np.trace(both)) / 2
    return float((np.sum(values) + of_covariances) * (1 / len(reference) + 1 / clips))


def frechet(
    reference: Float[np.ndarray, "n e"], clips: Float[np.ndarray, "m e"]
) -> Estimate:
    """Returns the raw Fréchet distance, whose bias is `frechet_bias`.

    Raises:
      InputError: where either set has fewer than `LARGE` vectors a dimension, so that
        the bias is no small part of it.
    """
    fewest, needed = min(len(reference), len(clips)), LARGE * reference.shape[1]
    if fewest < needed:
        raise errors.InputError(
            f"The raw Fréchet distance needs {needed} clips in {reference.shape[1]} "
            f"dimensions; got {fewest}. Of equal distributions it would be about "
            f"{frechet_bias(reference, len(clips)):.3g}, not 0. Use its value at "
            "infinity, or the kernel distance."
        )
    return _jackknife(
        reference, clips, lambda i, j: _raw_frechet(reference[i], clips[j])
    )


def frechet_at_infinity(
    reference: Float[np.ndarray, "n e"],
    clips: Float[np.ndarray, "m e"],
    *,
    seed: int = 0,
) -> Estimate:
    """Extrapolates the Fréchet distance to infinitely many vectors in both sets.

    Both sets are cut at random in k equal parts, for k = 1 to 4; the mean distance of
    the parts is linear in k, that is, in one over their size, and its value at k = 0 is
    the estimate. Of equal distributions it may come out below 0.

    Raises:
      InputError: where halves of either set have not more vectors than dimensions; the
        distance of smaller ones is not linear.
    """
    fewest, size = min(len(reference), len(clips)), reference.shape[1]
    kept = fewest - -(-fewest // GROUPS)  # in the jackknife
    parts = min(MOST_PARTS, kept // (size + 1))
    if parts < 2:
        needed = -(-2 * (size + 1) * GROUPS // (GROUPS - 1))
        raise errors.InputError(
            f"The Fréchet distance at infinity needs {needed} clips in {size} "
            f"dimensions; got {fewest}. Of equal distributions the raw one would be "
            f"about {frechet_bias(reference, len(clips)):.3g}. Use the kernel distance."
        )
    return _jackknife(
        reference,
        clips,
        lambda i, j: _at_infinity(reference[i], clips[j], parts, seed),
    )


def kernel_distance(
    reference: Float[np.ndarray, "n e"],
    clips: Float[np.ndarray, "m e"],
    kernel: Kernel,
) -> Estimate:
    """Returns the unbiased squared maximum mean discrepancy, not scaled.

    Raises:
      InputError: for fewer than `LEAST_CLIPS` vectors in either set.
    """
    within, across = kernel(reference, reference), kernel(reference, clips)
    of_clips = kernel(clips, clips)
    return _jackknife(
        reference,
        clips,
        lambda i, j: (
            _mean_of_pairs(within[np.ix_(i, i)])
            + _mean_of_pairs(of_clips[np.ix_(j, j)])
            - 2 * float(np.mean(across[np.ix_(i, j)]))
        ),
    )


def _raw_frechet(
    one: Float[np.ndarray, "n e"], other: Float[np.ndarray, "m e"]
) -> float:
    covariances = (np.cov(one, rowvar=False), np.cov(other, rowvar=False))
    return gaussian_distance((one.mean(axis=0), other.mean(axis=0)), covariances)


def _at_infinity(
    one: Float[np.ndarray, "n e"],
    other: Float[np.ndarray, "m e"],
    parts: int,
    seed: int,
) -> float:
    generator = np.random.default_rng(seed)
    one, other = generator.permutation(one), generator.permutation(other)
    counts = np.arange(1, parts + 1)
    distances = [
        np.mean(
            [
                _raw_frechet(*pair)
                for pair in zip(
                    np.array_split(one, count),
                    np.array_split(other, count),
                    strict=True,
                )
            ]
        )
        for count in counts
    ]
    return float(np.polyfit(counts, distances, 1)[1])


def _mean_of_pairs(kernel: Float[np.ndarray, "n n"]) -> float:
    """Returns the mean over pairs of different vectors."""
    count = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _jackknife(
    reference: Float[np.ndarray, "n e"],
    clips: Float[np.ndarray, "m e"],
    measure: _Measure,
) -> Estimate:
    """Returns `measure` of all rows, and its error from leaving out groups of them."""
    check_counts(len(reference), len(clips))
    rows, columns = np.arange(len(reference)), np.arange(len(clips))
    left_out = np.array(
        [
            (
                measure(rows[rows % GROUPS != group], columns),
                measure(rows, columns[columns % GROUPS != group]),
            )
            for group in range(GROUPS)
        ]
    )
    variance = (GROUPS - 1) * np.var(left_out, axis=0).sum()
    return Estimate(
        value=measure(rows, columns), standard_error=float(np.sqrt(variance))
    )
