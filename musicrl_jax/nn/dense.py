"""A dense layer without bias whose backward pass is quick on CPUs."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float


class Dense(nn.Module):
    """Multiplies the last axis by a kernel.

    All other axes are made one first: XLA's CPU backend takes 2.5 times as long for
    gradients of matrix products that contract over two axes.

    Attributes:
      features: the length of the last axis of the output.
      dtype: of the computation.
      kernel_init: draws the kernel.
    """

    features: int
    dtype: jnp.dtype
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: Float[Array, "*n d"]) -> Float[Array, "*n e"]:
        """Returns `x @ kernel`."""
        width = x.shape[-1]
        kernel = self.param("kernel", self.kernel_init, (width, self.features))
        flat = x.reshape(-1, width).astype(self.dtype)
        return (flat @ kernel.astype(self.dtype)).reshape(*x.shape[:-1], self.features)
