"""Fits the clusters to a stream of log-mel crops, one compiled step a batch."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays, rng
from musicrl_jax.models.semantic import adapter
from musicrl_jax.nn import streaming_kmeans

Batch = Mapping[str, Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusterStep:
    """What `pretraining.loop` drives (a `TrainingStep`).

    Features are made inside the step, of batches `{"mel": [b, frames, m]}` that may lie
    on a mesh; no more than one batch of them is ever in memory.

    Attributes:
      tokenizer: whose features are clustered.
      kmeans: how.
      encoder: trained parameters, on the mesh.
      first: the batch that the clusters start from.
    """

    tokenizer: adapter.Semantic
    kmeans: streaming_kmeans.StreamingKMeans
    encoder: arrays.Params
    first: Batch

    def init(self, root: Key[Array, ""]) -> streaming_kmeans.Clusters:
        """Returns the clusters of the first batch.

        Raises:
          InputError: where it has fewer tokens than there are clusters.
        """
        points = _points(self.tokenizer, self.encoder, self.first)
        return self.kmeans.start(rng.stream(root, "clusters"), points)

    def __call__(
        self, state: streaming_kmeans.Clusters, batch: Batch, root: Key[Array, ""]
    ) -> tuple[streaming_kmeans.Clusters, Mapping[str, Float[Array, ""]]]:
        """Returns the clusters after one more batch, and its figures."""
        return _update(self.tokenizer, self.kmeans, self.encoder, state, batch, root)


@functools.partial(jax.jit, static_argnames="tokenizer")
def _points(
    tokenizer: adapter.Semantic, encoder: arrays.Params, batch: Batch
) -> Float[Array, "n d"]:
    features = tokenizer.features(encoder, batch["mel"].astype(jnp.float32))
    return features.reshape(-1, features.shape[-1])


@functools.partial(jax.jit, static_argnames=("tokenizer", "kmeans"))
def _update(
    tokenizer: adapter.Semantic,
    kmeans: streaming_kmeans.StreamingKMeans,
    encoder: arrays.Params,
    state: streaming_kmeans.Clusters,
    batch: Batch,
    root: Key[Array, ""],
) -> tuple[streaming_kmeans.Clusters, dict[str, Float[Array, ""]]]:
    points = _points(tokenizer, encoder, batch)
    return kmeans.update(state, rng.stream(root, "restarts", state.step), points)
