"""The supervised loss of tokens."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def cross_entropy(
    logits: Float[Array, "b f q v"], tokens: Int[Array, "b f q"]
) -> Float[Array, " q"]:
    """Returns the mean negative log-likelihood of each position, in nats."""
    chosen = jnp.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
    total = jax.nn.logsumexp(logits, axis=-1)
    return (total - chosen).mean(axis=(0, 1))
