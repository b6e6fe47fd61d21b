"""Self-attention over a whole sequence, and one step with a cache."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from musicrl_jax.core import sharding
from musicrl_jax.nn import attention, attention_kernels, dense
from musicrl_jax.nn import cache as caches
from musicrl_jax.nn import config as configs
from musicrl_jax.nn import positions as rotary


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotary positions (optional), without biases."""

    config: configs.BlockConfig

    def setup(self) -> None:
        """Declares the projections."""
        config = self.config
        dtype = config.compute_dtype
        self.project_in = dense.Dense(3 * config.width, dtype, axes=("rows", None))
        self.project_out = dense.Dense(
            config.width, dtype, config.residual_initializer, ("heads", "width")
        )

    def heads(
        self, x: Float[Array, "b t d"], positions: Int[Array, "#b t"] | None
    ) -> tuple[attention.Heads, attention.Heads, attention.Heads]:
        """Returns queries, keys and values; rotated where positions are used."""
        batch, length, _ = x.shape
        shape = (batch, length, 3, self.config.heads, self.config.head_width)
        queries, keys, values = (
            self.project_in(x).reshape(shape).transpose(2, 0, 3, 1, 4)
        )
        if self.config.rotary:
            if positions is None:
                positions = jnp.arange(length)[None]
            queries = rotary.rotate(queries, positions, self.config.rotary_base)
            keys = rotary.rotate(keys, positions, self.config.rotary_base)
        cut = ("clips", "heads", None, None)
        return (
            sharding.constrain(queries, *cut),
            sharding.constrain(keys, *cut),
            sharding.constrain(values, *cut),
        )

    def merge(self, x: attention.Heads) -> Float[Array, "b t d"]:
        """Joins the heads and projects them back to the model's width."""
        batch, _, length, _ = x.shape
        return self.project_out(x.swapaxes(1, 2).reshape(batch, length, -1))

    def __call__(
        self,
        x: Float[Array, "b t d"],
        mask: attention_kernels.Mask = None,
        positions: Int[Array, "#b t"] | None = None,
    ) -> tuple[Float[Array, "b t d"], tuple[attention.Heads, attention.Heads]]:
        """Attends over the whole sequence; also returns its keys and values."""
        queries, keys, values = self.heads(x, positions)
        out = attention_kernels.attend(
            self.config.attention, queries, keys, values, mask
        )
        return self.merge(out), (keys, values)

    def near(self, x: Float[Array, "b t d"], reach: int) -> Float[Array, "b t d"]:
        """Attends to what lies at most `reach` places away, on both sides."""
        return self.merge(attention.attend_near(*self.heads(x, None), reach))

    def extend(
        self,
        x: Float[Array, "b 1 d"],
        cache: caches.KeyValueCache,
        place: configs.Place,
    ) -> tuple[Float[Array, "b 1 d"], caches.KeyValueCache]:
        """Writes one step into the cache and attends over what is visible."""
        queries, keys, values = self.heads(x, place.position[None, None])
        cache = caches.write(cache, place.slot, keys, values)
        out = attention.attend(
            queries, cache.keys, cache.values, place.visible[None, None]
        )
        return self.merge(out), cache
