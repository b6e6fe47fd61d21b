"""Convolutions over time and the ConvNeXt block (Liu et al. 2022, Vocos 2023)."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvNeXtConfig:
    """Sizes of a ConvNeXt block.

    Attributes:
      width: features.
      kernel: frames that the depthwise convolution sees (odd).
      expansion: width of the hidden layer, as a multiple of `width`.
      initial_scale: starting value of the residual branch's gain (LayerScale).
      dtype: "float32" or "bfloat16", of activations; None takes the parameters' and
        the input's.
    """

    width: int
    kernel: int = 7
    expansion: int = 3
    initial_scale: float = 0.1
    dtype: str | None = None

    def __post_init__(self) -> None:
        if self.width < 1 or self.expansion < 1:
            raise errors.InputError(
                "ConvNeXtConfig.width and .expansion must be at least 1; got "
                f"{self.width} and {self.expansion}."
            )
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise errors.InputError(
                f"ConvNeXtConfig.kernel must be odd and positive; got {self.kernel}."
            )


class DepthwiseConv(nn.Module):
    """Convolves each feature over time with its own kernel; zeros beyond the ends.

    Written as a sum of shifted products: XLA fuses it into one pass, where a grouped
    convolution's gradient is many times slower on CPUs.
    """

    width: int
    kernel: int

    @nn.compact
    def __call__(self, x: Float[Array, "b f d"]) -> Float[Array, "b f d"]:
        """Returns the convolution, as long as its input."""
        weight = self.param(
            "kernel",
            nn.initializers.normal(self.kernel**-0.5),
            (self.kernel, self.width),
        )
        bias = self.param("bias", nn.initializers.zeros_init(), (self.width,))
        frames, half = x.shape[1], self.kernel // 2
        padded = jnp.pad(x, ((0, 0), (half, self.kernel - 1 - half), (0, 0)))
        shifted = [
            padded[:, i : i + frames] * weight[i][None, None, :]
            for i in range(self.kernel)
        ]
        return sum(shifted[1:], shifted[0]) + bias[None, None, :]


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, norm, and a gated-by-GELU two-layer network, residual."""

    config: ConvNeXtConfig

    @nn.compact
    def __call__(self, x: Float[Array, "b f d"]) -> Float[Array, "b f d"]:
        """Returns features of the same shape."""
        c = self.config
        dtype = None if c.dtype is None else jnp.dtype(c.dtype)
        hidden = DepthwiseConv(width=c.width, kernel=c.kernel, name="depthwise")(x)
        hidden = nn.LayerNorm(dtype=dtype, name="norm")(hidden)
        hidden = nn.Dense(c.width * c.expansion, dtype=dtype, name="up")(hidden)
        hidden = nn.Dense(c.width, dtype=dtype, name="down")(jax.nn.gelu(hidden))
        scale = self.param(
            "scale", nn.initializers.constant(c.initial_scale), (c.width,)
        )
        return x + (scale[None, None, :] * hidden).astype(x.dtype)


class ConvNeXtStack(nn.Module):
    """Several blocks, one after the other."""

    config: ConvNeXtConfig
    depth: int

    @nn.compact
    def __call__(self, x: Float[Array, "b f d"]) -> Float[Array, "b f d"]:
        """Returns features of the same shape."""
        for i in range(self.depth):
            x = ConvNeXtBlock(self.config, name=f"block_{i}")(x)
        return x


def merge_frames(x: Float[Array, "b f d"], factor: int) -> Float[Array, "b g e"]:
    """Joins each `factor` frames into one with all their features."""
    batch, frames, width = x.shape
    return x.reshape(batch, frames // factor, width * factor)


def split_frames(x: Float[Array, "b g e"], factor: int) -> Float[Array, "b f d"]:
    """Inverts `merge_frames`."""
    batch, frames, width = x.shape
    return x.reshape(batch, frames * factor, width // factor)
