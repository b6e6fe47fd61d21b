"""Masked prediction: which frames to hide, what to predict there, and the loss."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Key


def span_mask(
    key: Key[Array, ""], batch: int, frames: int, share: float, span: int
) -> Bool[Array, "b f"]:
    """Draws spans of hidden frames that cover about `share` of them.

    Spans start independently at each frame with a probability such that a frame is
    covered by none with probability 1 - share.
    """
    start = 1.0 - (1.0 - share) ** (1.0 / span)
    # Spans that begin before the clip count too, so that its first frames are hidden
    # as often as the others.
    starts = jax.random.bernoulli(key, start, (batch, frames + span - 1))
    covered = jnp.cumsum(jnp.pad(starts, ((0, 0), (1, 0))), axis=1)
    return covered[:, span:] - covered[:, :frames] > 0


def projection_targets(
    mel: Float[Array, "b f m"],
    projections: Float[Array, "t m p"],
    codebooks: Float[Array, "t c p"],
) -> Int[Array, "b f t"]:
    """Returns the nearest random unit vector of each frame's random projection.

    Neither is ever trained (BEST-RQ, section 3.1): nothing can collapse.
    """
    projected = jnp.einsum("bfm,tmp->bftp", mel, projections)
    # Directions are compared, so the length of a projection does not matter.
    return jnp.argmax(jnp.einsum("bftp,tcp->bftc", projected, codebooks), axis=-1)


def masked_prediction_loss(
    logits: Float[Array, "b f t c"],
    targets: Int[Array, "b f t"],
    mask: Bool[Array, "b f"],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Returns the cross-entropy over hidden frames in nats, and the share got right."""
    weights = mask[:, :, None] / jnp.maximum(jnp.sum(mask) * targets.shape[-1], 1.0)
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    right = jnp.argmax(logits, axis=-1) == targets
    return jnp.sum(weights * entropy), {"accuracy": jnp.sum(weights * right)}
