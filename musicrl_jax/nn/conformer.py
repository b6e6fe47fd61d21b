"""Conformer blocks: attention for what is far, convolution for what is near.

Gulati et al. 2020 (2005.08100), with rotary positions in place of relative ones and a
layer norm in place of the batch norm, so that a clip does not depend on its batch.
"""

import dataclasses
from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from musicrl_jax.core import arrays, errors, sharding
from musicrl_jax.nn import config as configs
from musicrl_jax.nn import convolution, dense, self_attention


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConformerConfig:
    """Sizes of a stack of conformer blocks.

    Attributes:
      width: features; a multiple of `2 * heads`.
      heads: attention heads.
      layers: blocks.
      kernel: frames that a block's convolution sees (odd).
      reach: frames that attention sees on either side; 0 for all.
      mlp_ratio: hidden features of each of a block's two MLPs over `width`.
      dtype: "float32" or "bfloat16", of activations; parameters stay float32.
      attention: kernel of whole sequences, one of `nn.attention_kernels`; with a reach
        there is one only, `einsum`.
      scan: whether layers run as a compiled loop (deep stacks, accelerators).
      remat: whether the backward pass recomputes the layers' activations.
    """

    width: int
    heads: int
    layers: int
    kernel: int = 5
    reach: int = 0
    mlp_ratio: float = 4.0
    dtype: str = "float32"
    attention: str = "einsum"
    scan: bool = False
    remat: bool = False

    def __post_init__(self) -> None:
        _ = self.block  # Refuses impossible widths.
        if self.reach < 0:
            raise errors.InputError(
                f"ConformerConfig.reach must be 0 or more; got {self.reach}."
            )
        if self.reach and self.attention != "einsum":
            raise errors.InputError(
                "Attention that reaches some frames only must be 'einsum': other "
                f"kernels take whole sequences; got {self.attention!r} and a reach of "
                f"{self.reach}. Set attention to 'einsum' or the window to 0."
            )
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise errors.InputError(
                f"ConformerConfig.kernel must be odd and positive; got {self.kernel}."
            )

    @property
    def block(self) -> configs.BlockConfig:
        """The sizes that a transformer block has too."""
        return configs.BlockConfig(
            width=self.width,
            heads=self.heads,
            mlp_ratio=self.mlp_ratio,
            dtype=self.dtype,
            attention=self.attention,
            layers=self.layers,
        )


class FeedForward(nn.Module):
    """Norm, expansion, swish, contraction."""

    config: ConformerConfig

    def setup(self) -> None:
        """Declares the parts."""
        sizes = self.config.block
        dtype = sizes.compute_dtype
        self.norm = nn.LayerNorm(dtype=dtype)
        self.expand = dense.Dense(sizes.hidden, dtype, axes=("width", "hidden"))
        self.contract = dense.Dense(
            sizes.width, dtype, sizes.residual_initializer, ("hidden", "width")
        )

    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        """Transforms each place on its own."""
        hidden = self.expand(self.norm(x))
        return self.contract(
            nn.silu(sharding.constrain(hidden, "clips", None, "hidden"))
        )


class Convolution(nn.Module):
    """Norm, gated projection, depthwise convolution, norm, swish, projection."""

    config: ConformerConfig

    def setup(self) -> None:
        """Declares the parts."""
        sizes = self.config.block
        dtype = sizes.compute_dtype
        self.norm_in = nn.LayerNorm(dtype=dtype)
        self.gate = dense.Dense(2 * sizes.width, dtype)
        self.near = convolution.DepthwiseConv(
            width=sizes.width, kernel=self.config.kernel
        )
        self.norm = nn.LayerNorm(dtype=dtype)
        self.project = dense.Dense(sizes.width, dtype, sizes.residual_initializer)

    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        """Mixes each place with its `kernel - 1` nearest."""
        x = self.near(nn.glu(self.gate(self.norm_in(x))))
        return self.project(nn.silu(self.norm(x)))


class ConformerBlock(nn.Module):
    """Half an MLP, attention, convolution, half an MLP, each residual; then a norm."""

    config: ConformerConfig

    def setup(self) -> None:
        """Declares the parts."""
        dtype = self.config.block.compute_dtype
        self.before = FeedForward(self.config)
        self.attention_norm = nn.LayerNorm(dtype=dtype)
        self.attention = self_attention.SelfAttention(self.config.block)
        self.convolution = Convolution(self.config)
        self.after = FeedForward(self.config)
        self.norm = nn.LayerNorm(dtype=dtype)

    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        """Transforms a sequence."""
        x = x + 0.5 * self.before(x)
        x = x + self._attend(self.attention_norm(x))
        x = x + self.convolution(x)
        x = self.norm(x + 0.5 * self.after(x))
        return sharding.constrain(x, "clips", None, None)

    def _attend(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        if self.config.reach:
            return self.attention.near(x, self.config.reach)
        return self.attention(x)[0]


class ConformerStack(nn.Module):
    """`config.layers` blocks; their parameters lie in one tree `[layers, ...]`."""

    config: ConformerConfig

    def setup(self) -> None:
        """Declares the stacked parameters."""
        self.block = ConformerBlock(self.config, parent=None)
        self.layers = self.param("layers", self._initialize)

    def _initialize(self, key: Array) -> arrays.Params:
        sizes = self.config.block
        sample = jnp.zeros((1, 1, sizes.width), sizes.compute_dtype)
        keys = jax.random.split(key, self.config.layers)
        return jax.vmap(lambda key: self.block.init(key, sample)["params"])(keys)

    def __call__(self, x: Float[Array, "b t d"]) -> Float[Array, "b t d"]:
        """Runs a sequence through all blocks."""
        config = self.config

        def body(
            x: Float[Array, "b t d"], layer: arrays.Params
        ) -> tuple[Float[Array, "b t d"], None]:
            y = cast(Array, self.block.apply({"params": layer}, x))
            return y.astype(x.dtype), None

        body = jax.checkpoint(body) if config.remat else body
        return jax.lax.scan(body, x, self.layers, unroll=not config.scan)[0]
