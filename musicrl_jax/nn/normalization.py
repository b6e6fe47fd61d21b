"""Vectors of length one."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def unit(vectors: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
    """Returns the vectors at length 1; a zero vector stays zero, with gradient 0."""
    squares = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    return vectors * jax.lax.rsqrt(jnp.maximum(squares, 1e-12))
