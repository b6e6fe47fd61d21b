"""The classifier's loss, a pure function of arrays."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def masked_cross_entropy(
    logits: Float[Array, "b labels"],
    label: Int[Array, " b"],
    *,
    smoothing: float = 0.0,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns mean cross-entropy in nats and accuracy over clips with a label.

    Args:
      logits: of each label.
      label: index of the right one; -1 where it is not known, which is left out.
      smoothing: share of probability spread over all labels.
    """
    known = (label >= 0).astype(logits.dtype)
    count = jnp.maximum(jnp.sum(known), 1.0)
    classes = logits.shape[-1]
    target = jax.nn.one_hot(label, classes) * (1 - smoothing) + smoothing / classes
    entropy = -jnp.sum(target * jax.nn.log_softmax(logits), axis=-1)
    right = (jnp.argmax(logits, axis=-1) == label).astype(logits.dtype)
    return jnp.sum(entropy * known) / count, jnp.sum(right * known) / count
