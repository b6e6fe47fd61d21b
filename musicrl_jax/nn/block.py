"""Pre-norm transformer blocks, and stacks of them over one stacked parameter tree."""

import functools
from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, sharding
from musicrl_jax.nn import attention, attention_kernels, dense, self_attention
from musicrl_jax.nn import cache as caches
from musicrl_jax.nn import config as configs

BlockConfig = configs.BlockConfig
Heads = attention.Heads
Remembered = tuple[Array, tuple[Array, Array]]
"""A block's output, and its keys and values."""
Mask = attention_kernels.Mask
Positions = Int[Array, "#b t"] | None


class Mlp(nn.Module):
    """Two dense layers with a GELU between them."""

    config: configs.BlockConfig

    def setup(self) -> None:
        """Declares the two layers."""
        config = self.config
        dtype = config.compute_dtype
        self.expand = dense.Dense(config.hidden, dtype, axes=("width", "hidden"))
        self.contract = dense.Dense(
            config.width, dtype, config.residual_initializer, ("hidden", "width")
        )

    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        """Transforms each place on its own."""
        hidden = sharding.constrain(self.expand(x), "clips", None, "hidden")
        return self.contract(nn.gelu(hidden))


class TransformerBlock(nn.Module):
    """Self-attention and MLP, each behind an RMS norm and a residual connection."""

    config: configs.BlockConfig

    def setup(self) -> None:
        """Declares the parts."""
        dtype = self.config.compute_dtype
        self.attention_norm = nn.RMSNorm(dtype=dtype)
        self.attention = self_attention.SelfAttention(self.config)
        self.mlp_norm = nn.RMSNorm(dtype=dtype)
        self.mlp = Mlp(self.config)

    def __call__(
        self, x: Float[Array, "b t d"], mask: Mask = None, positions: Positions = None
    ) -> Float[Array, "b t d"]:
        """Transforms a whole sequence; `mask` says who sees whom (default: all)."""
        return self.remember(x, mask, positions)[0]

    def remember(
        self, x: Float[Array, "b t d"], mask: Mask = None, positions: Positions = None
    ) -> tuple[Float[Array, "b t d"], tuple[Heads, Heads]]:
        """Does the same and also returns the keys and values, for a cache."""
        out, memory = self.attention(self.attention_norm(x), mask, positions)
        x = x + out
        x = x + self.mlp(self.mlp_norm(x))
        return sharding.constrain(x, "clips", None, None), memory

    def extend(
        self,
        x: Float[Array, "b 1 d"],
        cache: caches.KeyValueCache,
        place: configs.Place,
    ) -> tuple[Float[Array, "b 1 d"], caches.KeyValueCache]:
        """Transforms one more step of a sequence whose past is in the cache."""
        out, cache = self.attention.extend(self.attention_norm(x), cache, place)
        x = x + out
        x = x + self.mlp(self.mlp_norm(x))
        return sharding.constrain(x, "clips", None, None), cache


class TransformerStack(nn.Module):
    """`config.layers` blocks; their parameters lie in one tree `[layers, ...]`.

    Attributes:
      config: of each block.
      scan: whether layers run as a compiled loop (short compiles, deep stacks) or are
        laid out one after the other (faster on CPUs).
      remat: whether the backward pass recomputes each layer's activations.
    """

    config: configs.BlockConfig
    scan: bool = False
    remat: bool = False

    def setup(self) -> None:
        """Declares the stacked parameters."""
        self.block = TransformerBlock(self.config, parent=None)
        self.layers = self.param("layers", self._initialize)

    def _initialize(self, key: Array) -> arrays.Params:
        sample = jnp.zeros((1, 1, self.config.width), self.config.compute_dtype)
        keys = jax.random.split(key, self.config.layers)
        return jax.vmap(lambda key: self.block.init(key, sample)["params"])(keys)

    def __call__(
        self, x: Float[Array, "b t d"], mask: Mask = None, positions: Positions = None
    ) -> Float[Array, "b t d"]:
        """Runs a whole sequence through all layers."""

        def body(
            x: Float[Array, "b t d"], layer: arrays.Params
        ) -> tuple[Float[Array, "b t d"], None]:
            y = self.block.apply({"params": layer}, x, mask, positions)
            return cast(Array, y), None

        body = jax.checkpoint(body) if self.remat else body
        return jax.lax.scan(body, x, self.layers, unroll=not self.scan)[0]

    def prefill(
        self, x: Float[Array, "b t d"], mask: Mask, slots: int
    ) -> tuple[caches.KeyValueCache, ...]:
        """Runs a prefix; returns each layer's cache with `slots` places behind it."""
        filled = []
        remember = functools.partial(self.block.apply, method="remember")
        for layer in self.apart():
            x, seen = cast(Remembered, remember({"params": layer}, x, mask))
            filled.append(caches.reserve(*seen, slots))
        return tuple(filled)

    def empty(self, batch: arrays.Size, slots: int) -> tuple[caches.KeyValueCache, ...]:
        """Returns each layer's cache with nothing in it."""
        config = self.config
        shape = (batch, config.heads, slots, config.head_width)
        blank = jnp.zeros(shape, config.compute_dtype)
        cache = caches.KeyValueCache(keys=blank, values=blank)
        return (cache,) * config.layers

    def extend(
        self,
        x: Float[Array, "b 1 d"],
        cache: tuple[caches.KeyValueCache, ...],
        place: configs.Place,
        layers: tuple[arrays.Params, ...] | None = None,
    ) -> tuple[Float[Array, "b 1 d"], tuple[caches.KeyValueCache, ...]]:
        """Runs one more step through all layers.

        A loop over steps is given `apart()` as `layers`, which it would otherwise copy
        out of the stack at each step.
        """
        grown = []
        extend = functools.partial(self.block.apply, method="extend")
        for layer, past in zip(layers or self.apart(), cache, strict=True):
            x, present = extend({"params": layer}, x, past, place)
            grown.append(present)
        return x, tuple(grown)

    def apart(self) -> tuple[arrays.Params, ...]:
        """Returns the parameters of each layer."""
        return tuple(
            jax.tree.map(lambda leaf, i=i: leaf[i], self.layers)
            for i in range(self.config.layers)
        )
