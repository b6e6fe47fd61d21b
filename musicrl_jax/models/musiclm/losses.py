"""The supervised loss of tokens."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

IMPOSSIBLE = -1e30
"""Logit of an entry that a position's codebook lacks; its probability is exactly 0."""

_Found = tuple[Float[Array, ""], Float[Array, "n e"], Float[Array, "e v"]]


@jax.custom_vjp
def cross_entropy(
    features: Float[Array, "q n e"],
    heads: Float[Array, "q e v"],
    tokens: Int[Array, "q n"],
    valid: Bool[Array | np.ndarray, "q v"],
) -> Float[Array, " q"]:
    """Returns the mean negative log-likelihood of each position's tokens, in nats.

    The logits of one position are `features @ heads`, and only theirs are in memory at
    a time: their gradient is made with them, and not from logits that were kept.

    Args:
      features: of n places.
      heads: one of each position.
      tokens: what is to be foretold.
      valid: entries that a position's codebook has.
    """
    found = jax.lax.map(lambda one: _nats(*one)[0], (features, heads, tokens, valid))
    return found / tokens.shape[1]


def _nats(
    features: Float[Array, "n e"],
    head: Float[Array, "e v"],
    tokens: Int[Array, " n"],
    valid: Bool[Array, " v"],
) -> tuple[Float[Array, ""], Float[Array, "n v"]]:
    """Returns the sum of nats at one position, and log-probabilities."""
    logits = jnp.where(valid[None], (features @ head).astype(jnp.float32), IMPOSSIBLE)
    log_probs = jax.nn.log_softmax(logits)
    chosen = jnp.take_along_axis(log_probs, tokens[:, None], axis=1)
    return -chosen.sum(), log_probs


def _forward(
    features: Float[Array, "q n e"],
    heads: Float[Array, "q e v"],
    tokens: Int[Array, "q n"],
    valid: Bool[Array | np.ndarray, "q v"],
) -> tuple[Float[Array, " q"], tuple[Float[Array, "q n e"], Float[Array, "q e v"]]]:
    """Returns nats, and the gradients of their sum."""

    def one(position: tuple[Array, ...]) -> _Found:
        x, head, wanted, entries = position
        nats, log_probs = _nats(x, head, wanted, entries)
        hit = wanted[:, None] == jnp.arange(head.shape[1])[None]
        slope = (jnp.exp(log_probs) - hit).astype(x.dtype)
        return nats, slope @ head.T, x.T @ slope

    nats, *slopes = jax.lax.map(one, (features, heads, tokens, valid))
    return nats / tokens.shape[1], (slopes[0], slopes[1])


def _backward(
    slopes: tuple[Float[Array, "q n e"], Float[Array, "q e v"]],
    weights: Float[Array, " q"],
) -> tuple[Float[Array, "q n e"], Float[Array, "q e v"], None, None]:
    scale = (weights / slopes[0].shape[1])[:, None, None]
    features, heads = ((x * scale).astype(x.dtype) for x in slopes)
    return features, heads, None, None


cross_entropy.defvjp(_forward, _backward)
