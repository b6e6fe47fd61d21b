"""What a transformer block is made of, and where a step stands in its cache."""

import dataclasses

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Int

from musicrl_jax.core import errors
from musicrl_jax.core.struct import struct

ATTENTION = ("einsum", "xla", "cudnn", "splash")
"""Names of attention kernels; see `attention_kernels`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockConfig:
    """Sizes and choices of one transformer block.

    Attributes:
      width: features of the residual stream.
      heads: attention heads; `width` is a multiple of `2 * heads`.
      mlp_ratio: hidden features of the MLP over `width`.
      rotary: whether attention knows positions (rotary embedding).
      rotary_base: grows the longest wavelength of the rotary embedding.
      dtype: "float32" or "bfloat16", of activations; parameters stay float32.
      attention: kernel of whole sequences, one of `nn.attention_kernels`.
      layers: layers of the stack that the block is part of (scales initial outputs).
    """

    width: int
    heads: int
    mlp_ratio: float = 4.0
    rotary: bool = True
    rotary_base: float = 10_000.0
    dtype: str = "float32"
    attention: str = "einsum"
    layers: int = 1

    def __post_init__(self) -> None:
        if self.width < 1 or self.heads < 1 or self.width % (2 * self.heads):
            raise errors.InputError(
                f"A block's width must be a multiple of twice its heads; got width "
                f"{self.width} and {self.heads} heads. Change BlockConfig.width."
            )
        if self.dtype not in ("float32", "bfloat16"):
            raise errors.InputError(
                "BlockConfig.dtype must be 'float32' or 'bfloat16'; got "
                f"{self.dtype!r}."
            )
        if self.attention not in ATTENTION:
            raise errors.InputError(
                f"BlockConfig.attention must be one of {', '.join(ATTENTION)}; got "
                f"{self.attention!r}. Change the network's attention."
            )
        if self.layers < 1 or self.mlp_ratio <= 0:
            raise errors.InputError(
                "BlockConfig.layers and .mlp_ratio must be positive; got "
                f"{self.layers} and {self.mlp_ratio}."
            )

    @property
    def head_width(self) -> int:
        """Features of one head."""
        return self.width // self.heads

    @property
    def hidden(self) -> int:
        """Hidden features of the MLP."""
        return round(self.width * self.mlp_ratio)

    @property
    def compute_dtype(self) -> jnp.dtype:
        """The dtype of activations."""
        return jnp.dtype(self.dtype)

    @property
    def residual_initializer(self) -> nn.initializers.Initializer:
        """The initializer of projections into the residual stream.

        Smaller in deep stacks, so that the stream's variance does not grow with depth.
        """
        return nn.initializers.variance_scaling(
            1.0 / (2 * self.layers), "fan_in", "truncated_normal"
        )


@struct
class Place:
    """Where one step of a sequence stands.

    Attributes:
      position: the position that rotary embedding uses.
      slot: the slot of the cache that the step is written to.
      visible: the slots that it may look at, itself included.
    """

    position: Int[Array, ""]
    slot: Int[Array, ""]
    visible: Bool[Array, " s"]
