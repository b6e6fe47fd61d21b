"""The loss of pairs, and the score of several heads; pure functions of arrays."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from musicrl_jax.models.preference import config as configs


def bradley_terry(
    preferred: Float[Array, "p k"],
    other: Float[Array, "p k"],
    share: Float[Array, " p"] | None = None,
) -> Float[Array, "p k"]:
    """Returns the negative log-likelihood of each choice, in nats.

    A clip with score r is preferred to one with score s with the probability
    sigmoid(r - s) (Bradley and Terry, 1952; Christiano et al., 1706.03741).

    Args:
      preferred: scores of the chosen clips by each of k heads.
      other: those of the clips that they were preferred to.
      share: of the users of a pair who chose so; the mean over them is returned. None
        where each choice is one user's.
    """
    chosen = jax.nn.softplus(other - preferred)
    if share is None:
        return chosen
    return share[:, None] * chosen + (1 - share)[:, None] * jax.nn.softplus(
        preferred - other
    )


def combined(
    scores: Float[Array, "b k"], config: configs.PreferenceConfig
) -> Float[Array, " b"]:
    """Returns one score a clip of those of k heads; see `PreferenceConfig`."""
    if config.take_min:
        return jnp.min(scores, axis=1)
    deviation = jnp.std(scores, axis=1)
    return jnp.mean(scores, axis=1) - config.deviation_weight * deviation
