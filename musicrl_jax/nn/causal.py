"""Causal convolutions over time that can go on where they stopped.

Every layer takes features and what it remembers of the frames before them (None: there
was silence), and returns its result and what to remember, so that a signal may come in
pieces. All are convolutions of stride 1: one with a stride joins frames first, one that
up-samples splits them afterwards. XLA's gradient of a convolution with dilated inputs,
the usual form of the latter, takes 50 to 450 times as long on a CPU.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from musicrl_jax.nn import convolution

Memory = tuple[Float[Array, "b _ _"], ...]
"""What the layers of a chain remember, in their order."""


@runtime_checkable
class Layer(Protocol):
    """A causal layer of a chain."""

    def __call__(
        self, x: Float[Array, "b f d"], past: Float[Array, "b p c"] | None = None
    ) -> tuple[Float[Array, "b f2 e"], Float[Array, "b p c"]]:
        """Returns features, and what to remember."""
        ...


def chain(
    layers: Sequence[Layer], x: Float[Array, "b f d"], memory: Memory | None
) -> tuple[Float[Array, "b f2 e"], Memory]:
    """Applies layers one after the other; returns also what each remembers."""
    remembered = []
    for layer, past in zip(layers, memory or [None] * len(layers), strict=True):
        x, after = layer(x, past)
        remembered.append(after)
    return x, tuple(remembered)


def elu(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Returns x where it is positive, else e^x - 1; quicker on CPUs than `jax.nn`'s."""
    return jnp.where(x > 0, x, jnp.exp(jnp.minimum(x, 0.0)) - 1.0)


class CausalConv(nn.Module):
    """Convolves frames with those before them.

    Attributes:
      features: of the output.
      kernel: frames that an output sees, itself included.
      dilation: distance between these.
    """

    features: int
    kernel: int
    dilation: int = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, "b f d"], past: Float[Array, "b p c"] | None = None
    ) -> tuple[Float[Array, "b f e"], Float[Array, "b p c"]]:
        """Returns one output a frame, and the last frames of the input."""
        batch, _, width = x.shape
        shape = (self.kernel, width, self.features)
        weight = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        reach = (self.kernel - 1) * self.dilation
        past = jnp.zeros((batch, reach, width), x.dtype) if past is None else past
        seen = jnp.concatenate([past, x], axis=1)
        y = convolve(seen, weight, self.dilation) + bias[None, None, :]
        return y, seen[:, seen.shape[1] - reach :]


class DownConv(nn.Module):
    """Joins each `stride` frames into one: a causal convolution of kernel 2 * stride.

    Attributes:
      features: of the output.
      stride: frames of the input for one of the output; must divide their number.
    """

    features: int
    stride: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b f d"], past: Float[Array, "b p c"] | None = None
    ) -> tuple[Float[Array, "b f2 e"], Float[Array, "b p c"]]:
        """Returns the features of joined frames, and the last joined frame."""
        merged = convolution.merge_frames(elu(x), self.stride)
        return CausalConv(features=self.features, kernel=2, name="conv")(merged, past)


class UpConv(nn.Module):
    """Turns each frame into `stride`: a transposed convolution of kernel 2 * stride.

    Attributes:
      features: of the output.
      stride: frames of the output for one of the input.
    """

    features: int
    stride: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b f d"], past: Float[Array, "b p c"] | None = None
    ) -> tuple[Float[Array, "b f2 e"], Float[Array, "b p c"]]:
        """Returns the frames that each frame and the one before it make, summed."""
        conv = CausalConv(features=self.features * self.stride, kernel=2, name="conv")
        y, past = conv(elu(x), past)
        return convolution.split_frames(y, self.stride), past


class OutConv(nn.Module):
    """A causal convolution of activated features: the last layer of a chain."""

    features: int
    kernel: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b f d"], past: Float[Array, "b p c"] | None = None
    ) -> tuple[Float[Array, "b f e"], Float[Array, "b p c"]]:
        """Returns one output a frame, and the last activated frames."""
        conv = CausalConv(features=self.features, kernel=self.kernel, name="conv")
        return conv(elu(x), past)


class ResidualUnit(nn.Module):
    """A dilated convolution and a mixing of features, added to the input."""

    width: int
    kernel: int
    dilation: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b f d"], past: Float[Array, "b p c"] | None = None
    ) -> tuple[Float[Array, "b f d"], Float[Array, "b p c"]]:
        """Returns features of the same shape, and the last activated frames."""
        conv = CausalConv(
            features=self.width,
            kernel=self.kernel,
            dilation=self.dilation,
            name="conv",
        )
        hidden, past = conv(elu(x), past)
        return x + nn.Dense(self.width, name="mix")(elu(hidden)), past


def convolve(
    seen: Float[Array, "b p d"], weight: Float[Array, "kernel d e"], dilation: int
) -> Float[Array, "b f e"]:
    """Returns the convolution of all places where the kernel fits.

    One feature in or out is a sum of shifted products, two taps are two matrix
    products, which have the quicker gradient; XLA's convolution does the rest best.
    """
    kernel, width, features = weight.shape
    frames = seen.shape[1] - (kernel - 1) * dilation

    def shifted(x: Float[Array, "b p d"], tap: int) -> Float[Array, "b f d"]:
        return x[:, tap * dilation : tap * dilation + frames]

    if width == 1:
        return sum(
            (shifted(seen, i) * weight[i][None] for i in range(1, kernel)),
            shifted(seen, 0) * weight[0][None],
        )
    if features == 1:
        taps = _product(seen, weight[..., 0].T)
        return sum(
            (shifted(taps[..., i : i + 1], i) for i in range(1, kernel)),
            shifted(taps[..., :1], 0),
        )
    if kernel == 2:
        return _product(shifted(seen, 0), weight[0]) + _product(
            shifted(seen, 1), weight[1]
        )
    return jax.lax.conv_general_dilated(
        seen,
        weight,
        window_strides=(1,),
        padding="VALID",
        rhs_dilation=(dilation,),
        dimension_numbers=("NWC", "WIO", "NWC"),
    )


def _product(
    x: Float[Array, "b f d"], kernel: Float[Array, "d e"]
) -> Float[Array, "b f e"]:
    """Returns `x @ kernel` with all frames in one axis; see `dense`."""
    flat = x.reshape(-1, x.shape[-1]) @ kernel
    return flat.reshape(*x.shape[:2], kernel.shape[1])
