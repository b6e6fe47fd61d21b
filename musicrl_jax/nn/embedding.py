"""Several embedding tables, one for each position of a short tuple of ids."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from musicrl_jax.core import sharding


class TupleEmbedding(nn.Module):
    """Embeds tuples `[..., q]` of ids; each position has its own table.

    Attributes:
      positions: the length of axis q.
      size: entries of each table.
      width: features of an embedding.
      dtype: of the output.
    """

    positions: int
    size: int
    width: int
    dtype: jnp.dtype

    def setup(self) -> None:
        """Declares the tables."""
        self.table = self.param(
            "table",
            nn.initializers.normal(stddev=0.1),
            (self.positions, self.size, self.width),
        )

    def __call__(self, ids: Int[Array, "*n q"]) -> Float[Array, "*n q d"]:
        """Returns the embedding of each id."""
        starts = jnp.arange(self.positions) * self.size
        rows = ids + starts.reshape((1,) * (ids.ndim - 1) + (-1,))
        table = sharding.gathered(self.table.astype(self.dtype), None, None, "rows")
        embedded = table.reshape(-1, self.width)[rows]
        return sharding.constrain(embedded, "clips", *[None] * (embedded.ndim - 1))

    def one(
        self, ids: Int[Array, " b"], position: Int[Array, ""]
    ) -> Float[Array, "b d"]:
        """Returns the embeddings of ids of one position."""
        table = sharding.gathered(self.table.astype(self.dtype), None, None, "rows")
        rows = table.reshape(-1, self.width)[ids + position * self.size]
        return sharding.constrain(rows, "clips", None)
