"""A dense layer without bias whose backward pass is quick on CPUs."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from musicrl_jax.core import sharding


class Dense(nn.Module):
    """Multiplies the last axis by a kernel.

    All other axes are made one first: XLA's CPU backend takes 2.5 times as long for
    gradients of matrix products that contract over two axes.

    Attributes:
      features: the length of the last axis of the output.
      dtype: of the computation.
      kernel_init: draws the kernel.
      axes: logical axes of the kernel, see `core.sharding`.
    """

    features: int
    dtype: jnp.dtype
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    axes: tuple[str | None, str | None] = ("width", None)

    @nn.compact
    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n e"]:
        """Returns `x @ kernel`."""
        width = x.shape[-1]
        kernel = self.param("kernel", self.kernel_init, (width, self.features))
        flat = x.reshape(-1, width).astype(self.dtype)
        kernel = sharding.gathered(kernel.astype(self.dtype), *self.axes)
        return (flat @ kernel).reshape(*x.shape[:-1], self.features)
