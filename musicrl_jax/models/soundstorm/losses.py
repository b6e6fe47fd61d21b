"""SoundStorm's loss, pure functions of arrays."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def masked_cross_entropy(
    logits: Float[Array, "b f v"], codes: Int[Array, "b f"], masked: Bool[Array, "b f"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns nats and accuracy of the codes at masked frames, each frame alike."""
    weights = masked.astype(logits.dtype)
    weights = weights / jnp.maximum(weights.sum(), 1.0)
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    chosen = jnp.take_along_axis(log_probs, codes[..., None], axis=-1)[..., 0]
    right = (jnp.argmax(logits, axis=-1) == codes).astype(logits.dtype)
    return -(chosen * weights).sum(), (right * weights).sum()
