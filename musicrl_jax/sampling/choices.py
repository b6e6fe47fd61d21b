"""Drawing tokens: keys of their own for each clip, exact log-probabilities."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import protocols
from musicrl_jax.nn import reductions


def log_policy(
    logits: Float[Array, "*n v"], temperature: float | Float[Array, ""]
) -> Float[Array, "*n v"]:
    """Returns log pi_T: float32 logits over T, once, then log-softmax."""
    return jax.nn.log_softmax(logits.astype(jnp.float32) / temperature, axis=-1)


def sampled(
    keys: Key[Array, " b"], temperature: float | Float[Array, ""]
) -> protocols.Choose:
    """Returns a choice that draws from pi_T.

    Args:
      keys: one for each clip and frame; positions fold themselves in.
      temperature: T. No top-k or top-p: the log-probabilities are those of the draw.
    """

    def choose(
        logits: Float[Array, "b v"], position: Int[Array, ""]
    ) -> tuple[Int[Array, " b"], Float[Array, " b"]]:
        log_probs = log_policy(logits, temperature)
        fold = jax.vmap(lambda key: jax.random.fold_in(key, position))
        noise = jax.vmap(lambda key: jax.random.gumbel(key, logits.shape[-1:]))
        tokens = reductions.largest(log_probs + noise(fold(keys)))
        chosen = jnp.take_along_axis(log_probs, tokens[:, None], axis=-1)
        return tokens, chosen[:, 0]

    return choose
