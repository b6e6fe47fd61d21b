"""k-means and residual k-means in JAX, with dead clusters restarted.

SciPy's `kmeans2` leaves a cluster empty where points repeat, as captions do, and such
a code would never be used; so Lloyd's iterations are written out here.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import errors

_START = 0.3
"""Where centroids start, on the way from the mean to a point."""


def nearest(
    points: Float[Array, "*n d"], centroids: Float[Array, "c d"]
) -> Int[Array, "*n"]:
    """Returns the index of the nearest centroid (Euclidean) of each point."""
    norms = 0.5 * jnp.sum(jnp.square(centroids), axis=-1)
    scores = jnp.einsum("...d,cd->...c", points, centroids)
    return jnp.argmax(scores - norms.reshape((1,) * (points.ndim - 1) + (-1,)), axis=-1)


def _update(
    points: Float[Array, "n d"], centroids: Float[Array, "c d"]
) -> tuple[Float[Array, "c d"], Float[Array, ""]]:
    """Moves each centroid to its points' mean; returns also the mean squared error.

    A cluster without points restarts at one of the points worst served, each at
    another one.
    """
    labels = nearest(points, centroids)
    size = centroids.shape[0]
    sums = jax.ops.segment_sum(points, labels, num_segments=size)
    counts = jax.ops.segment_sum(jnp.ones(points.shape[0]), labels, num_segments=size)
    distances = jnp.sum(jnp.square(points - centroids[labels]), axis=-1)
    worst = points[jax.lax.top_k(distances, size)[1]]
    dead = counts == 0
    restarts = worst[jnp.cumsum(dead) - 1]
    means = sums / jnp.maximum(counts, 1.0)[:, None]
    return jnp.where(dead[:, None], restarts, means), jnp.mean(distances)


@functools.partial(jax.jit, static_argnames=("size", "iterations"))
def _fit(
    key: Key[Array, ""], points: Float[Array, "n d"], size: int, iterations: int
) -> Float[Array, "c d"]:
    drawn = jax.random.choice(key, points.shape[0], (size,), replace=False)
    # In many dimensions almost all points are nearest to the centroid nearest to the
    # mean, so centroids that start at points keep just these: start them closer in.
    mean = jnp.mean(points, axis=0, keepdims=True)
    first = mean + _START * (points[drawn] - mean)
    return lloyd(points, first, iterations)


def lloyd(
    points: Float[Array, "n d"], first: Float[Array, "c d"], iterations: int
) -> Float[Array, "c d"]:
    """Returns the centroids that Lloyd's iterations make of the `first` ones."""

    def body(
        centroids: Float[Array, "c d"], _: None
    ) -> tuple[Float[Array, "c d"], Float[Array, ""]]:
        return _update(points, centroids)

    return jax.lax.scan(body, first, length=iterations)[0]


def fit_kmeans(
    key: Key[Array, ""],
    points: Float[Array, "n d"],
    size: int,
    iterations: int = 25,
) -> Float[Array, "c d"]:
    """Returns `size` centroids of the points after Lloyd's iterations.

    Raises:
      InputError: where there are fewer points than clusters.
    """
    if points.shape[0] < size:
        raise errors.InputError(
            f"k-means needs at least as many points as clusters; got {points.shape[0]} "
            f"points for {size}. Use more clips or a smaller codebook_size."
        )
    return _fit(key, points, size, iterations)


def residual_codes(
    points: Float[Array, "b d"], codebooks: Float[Array, "k c d"]
) -> Int[Array, "b k"]:
    """Returns codes level by level, each of what the levels before left over."""

    def level(
        rest: Float[Array, "b d"], codebook: Float[Array, "c d"]
    ) -> tuple[Float[Array, "b d"], Int[Array, " b"]]:
        codes = nearest(rest, codebook)
        return rest - codebook[codes], codes

    return jax.lax.scan(level, points, codebooks)[1].T.astype(jnp.int32)


def residual_sum(
    codes: Int[Array, "b k"], codebooks: Float[Array, "k c d"]
) -> Float[Array, "b d"]:
    """Returns the vectors that `codes` stand for: the sum over levels."""
    levels = jnp.arange(codebooks.shape[0])
    return jnp.sum(codebooks[levels[None, :], codes], axis=1)


def fit_residual(
    key: Key[Array, ""],
    points: Float[Array, "n d"],
    levels: int,
    size: int,
    iterations: int = 25,
) -> Float[Array, "k c d"]:
    """Fits a residual quantiser of `levels` codebooks, first level first."""
    rest, codebooks = points, []
    for level_key in jax.random.split(key, levels):
        codebook = fit_kmeans(level_key, rest, size, iterations)
        rest = rest - codebook[nearest(rest, codebook)]
        codebooks.append(codebook)
    return jnp.stack(codebooks)
