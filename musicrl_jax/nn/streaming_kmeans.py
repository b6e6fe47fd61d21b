"""k-means over a stream of batches: the points are never in memory together.

Each step moves a centroid towards the mean of its points in the batch. Batch `t` of T
counts in proportion to about `(t / T) ** (memory - 1)`, so the poor beginnings are
forgotten and the steps grow short by themselves (Shamir & Zhang 2013, 1212.1824, for
the averages; Sculley 2010 for mini-batches). Batches may be sharded over a mesh: sums
and counts run over the whole of them.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import errors
from musicrl_jax.core.struct import struct
from musicrl_jax.nn import clustering

_STARTING_ITERATIONS = 10
"""Lloyd's iterations over the first batch."""
_CANDIDATES = 4
"""Points that each seed is chosen from."""
_RESTART = 0.5
"""Where a dead centroid restarts, on the way from the nearest centroid to a point."""


@struct
class Clusters:
    """The state of a run.

    Attributes:
      step: batches seen.
      centroids: one row a cluster.
      shares: of the points in each cluster, averaged as the centroids are.
    """

    step: Int[Array, ""]
    centroids: Float[Array, "c d"]
    shares: Float[Array, " c"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamingKMeans:
    """The static parts of a run.

    Attributes:
      size: clusters.
      steps: batches of the whole run. Dead clusters restart in its first half; in the
        second one all settle.
      memory: the larger, the sooner old batches are forgotten.
      dead_share: a cluster with less than this share of the mean cluster's points is
        dead.
    """

    size: int
    steps: int
    memory: float = 4.0
    dead_share: float = 0.02

    def __post_init__(self) -> None:
        if min(self.size, self.steps) < 1 or self.memory < 1:
            raise errors.InputError(
                "StreamingKMeans needs size, steps and memory of 1 or more; got "
                f"{self.size}, {self.steps} and {self.memory}."
            )
        if not 0 <= self.dead_share < 1:
            raise errors.InputError(
                f"StreamingKMeans.dead_share must lie in [0, 1); got {self.dead_share}."
            )

    @functools.partial(jax.jit, static_argnames="self")
    def start(self, key: Key[Array, ""], points: Float[Array, "n d"]) -> Clusters:
        """Returns clusters of one batch: k-means++ and a few of Lloyd's iterations.

        Raises:
          InputError: where the batch has fewer points than clusters.
        """
        self._check(points)
        first = seeds(key, points, self.size)
        return Clusters(
            step=jnp.zeros((), jnp.int32),
            centroids=clustering.lloyd(points, first, _STARTING_ITERATIONS),
            shares=jnp.full((self.size,), 1 / self.size),
        )

    @functools.partial(jax.jit, static_argnames="self")
    def update(
        self, clusters: Clusters, key: Key[Array, ""], points: Float[Array, "n d"]
    ) -> tuple[Clusters, dict[str, Float[Array, ""]]]:
        """Returns the clusters after one more batch, and figures of the batch before.

        Raises:
          InputError: where the batch has fewer points than clusters.
        """
        self._check(points)
        labels = clustering.nearest(points, clusters.centroids)
        # A matrix product, as scattered sums over sharded points would be gathered.
        members = jax.nn.one_hot(labels, self.size, dtype=points.dtype)
        sums = jnp.einsum("nc,nd->cd", members, points, precision="highest")
        counts = jnp.sum(members, axis=0)
        rate = self.memory / (clusters.step + 1 + self.memory)
        shares = clusters.shares + rate * (counts / len(points) - clusters.shares)
        pull = rate / len(points) / jnp.maximum(shares, 1e-12)[:, None]
        moved = clusters.centroids + pull * (
            sums - counts[:, None] * clusters.centroids
        )
        offsets = points - clusters.centroids[labels]
        distances = jnp.sum(jnp.square(offsets), axis=-1)
        dead = shares < self.dead_share / self.size
        restarting = dead & (2 * clusters.step < self.steps)
        drawn = _draw(key, distances, self.size)
        fresh = points[drawn] - (1 - _RESTART) * offsets[drawn]
        fresh = fresh[jnp.cumsum(restarting) - 1]
        after = Clusters(
            step=clusters.step + 1,
            centroids=jnp.where(restarting[:, None], fresh, moved),
            # Little, so that they soon move to where their points are.
            shares=jnp.where(restarting, 2 * self.dead_share / self.size, shares),
        )
        figures = {"inertia": jnp.mean(distances), "dead": jnp.sum(dead) / self.size}
        return after, figures

    def _check(self, points: Float[Array, "n d"]) -> None:
        if points.shape[0] < self.size:
            raise errors.InputError(
                f"A batch for k-means needs at least as many points as clusters; got "
                f"{points.shape[0]} for {self.size}. Use larger batches."
            )


def seeds(
    key: Key[Array, ""], points: Float[Array, "n d"], size: int
) -> Float[Array, "c d"]:
    """Draws points, each in proportion to its squared distance to those before.

    Of a few candidates the one that serves all points best is kept: greedy k-means++
    (Arthur & Vassilvitskii 2007).
    """

    def draw(
        distances: Float[Array, " n"], key: Key[Array, ""]
    ) -> tuple[Float[Array, " n"], Float[Array, " d"]]:
        drawn = jax.random.categorical(key, jnp.log(distances), shape=(_CANDIDATES,))
        offsets = points[None] - points[drawn][:, None]
        reached = jnp.sum(jnp.square(offsets), axis=-1)
        left = jnp.minimum(distances[None], reached)
        best = jnp.argmin(jnp.sum(left, axis=1))
        return left[best], points[drawn[best]]

    far = jnp.full((points.shape[0],), 1e30, points.dtype)
    return jax.lax.scan(draw, far, jax.random.split(key, size))[1]


def _draw(
    key: Key[Array, ""], distances: Float[Array, " n"], count: int
) -> Int[Array, " c"]:
    """Draws distinct points in proportion to squared distances (Gumbel's trick)."""
    noise = jax.random.gumbel(key, distances.shape)
    return jax.lax.top_k(jnp.log(distances) + noise, count)[1]
