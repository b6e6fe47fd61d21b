"""The contrastive loss, as pure functions of embeddings."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int


def same_caption(text: Int[Array, "b w"]) -> Bool[Array, "b b"]:
    """Returns which pairs of rows hold the same caption, word by word."""
    return jnp.all(text[:, None, :] == text[None, :, :], axis=-1)


def contrastive_loss(
    audio: Float[Array, "b e"],
    text: Float[Array, "b e"],
    log_scale: Float[Array, ""],
    same: Bool[Array, "b b"],
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """Returns the symmetric cross-entropy of finding each row's partner (InfoNCE).

    Args:
      audio: unit vectors of clips.
      text: unit vectors of their captions, row by row.
      log_scale: natural log of the inverse temperature.
      same: pairs of rows with equal captions. Off the diagonal such a pair is neither
        right nor wrong, so it is left out of both sums.

    Returns:
      The loss in nats, and the share of rows that find their partner first, both ways.
    """
    logits = jnp.exp(log_scale) * (audio @ text.T)
    rows = jnp.arange(logits.shape[0])
    logits = jnp.where(same & (rows[:, None] != rows[None, :]), -1e9, logits)
    entropy = optax.softmax_cross_entropy_with_integer_labels
    loss = 0.5 * jnp.mean(entropy(logits, rows) + entropy(logits.T, rows))
    return loss, {
        "audio_to_text": jnp.mean(jnp.argmax(logits, axis=1) == rows),
        "text_to_audio": jnp.mean(jnp.argmax(logits, axis=0) == rows),
    }


def recall_at(
    queries: Float[Array, "b e"], answers: Float[Array, "b e"], count: int
) -> Float[Array, ""]:
    """Returns the share of queries whose own answer is among the `count` nearest.

    Row i of `answers` is the partner of row i of `queries`; other rows as near as the
    partner count against it.
    """
    scores = queries @ answers.T
    own = jnp.diagonal(scores)
    better = jnp.sum(scores >= own[:, None], axis=1) - 1
    return jnp.mean(better < count)
