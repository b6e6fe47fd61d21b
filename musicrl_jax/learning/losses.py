"""The terms of the objective (section 3.2): arrays in, arrays out.

The policy is `pi_T = softmax(logits / T)` everywhere: in the log-probabilities, the
reference, the KL and the entropy. Sums run over a clip's tokens and means over clips,
for the policy and the KL term alike, so that alpha means the same at every length.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from musicrl_jax.core.struct import struct


@struct
class TokenTerms:
    """What the two policies say about each token of a clip, in nats.

    Attributes:
      log_probs: log pi_T(a_t | s_t).
      kl: the exact KL(pi_T || reference) at s_t, over the position's codebook.
      entropy: the entropy of pi_T at s_t.
    """

    log_probs: Float[Array, "b f q"]
    kl: Float[Array, "b f q"]
    entropy: Float[Array, "b f q"]


def log_policy(
    logits: Float[Array, "b f q v"], temperature: float
) -> Float[Array, "b f q v"]:
    """Returns log pi_T in float32 or wider: divided by T once, then normalised."""
    wide = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return jax.nn.log_softmax(wide / temperature, axis=-1)


def exact_kl(
    log_p: Float[Array, "b f q v"], log_reference: Float[Array, "b f q v"]
) -> Float[Array, "b f q"]:
    """Returns sum_a p(a) (log p(a) - log p0(a)).

    The paper prints the sum without the weight p(a); read literally that is no KL and
    has no lower bound.
    """
    return jnp.sum(jnp.exp(log_p) * (log_p - log_reference), axis=-1)


def token_terms(
    logits: Float[Array, "b f q v"],
    reference_logits: Float[Array, "b f q v"],
    tokens: Int[Array, "b f q"],
    temperature: float,
) -> TokenTerms:
    """Returns log-probability, exact KL and entropy at every token."""
    log_p = log_policy(logits, temperature)
    log_reference = jax.lax.stop_gradient(log_policy(reference_logits, temperature))
    taken = jnp.take_along_axis(log_p, tokens[..., None].astype(jnp.int32), axis=-1)
    return TokenTerms(
        log_probs=taken[..., 0],
        kl=exact_kl(log_p, log_reference),
        entropy=jax.lax.stop_gradient(-jnp.sum(jnp.exp(log_p) * log_p, axis=-1)),
    )


def importance_weights(
    log_probs: Float[Array, "b f q"], behaviour: Float[Array, "b f q"], cap: float
) -> Float[Array, "b f q"]:
    """Returns min(pi / mu, cap) per token, a constant for the gradient.

    It is 1 where the sampler's weights are the learner's.
    """
    return jax.lax.stop_gradient(jnp.minimum(jnp.exp(log_probs - behaviour), cap))


def policy_loss(
    terms: TokenTerms,
    weights: Float[Array, "b f q"],
    advantages: Float[Array, "b f q"],
    kl_weight: float,
) -> Float[Array, "b"]:
    """Returns -J of each clip: its gradient ascends reward and holds the KL down.

    Args:
      terms: differentiable in the policy's parameters.
      weights: importance weights of the policy term; the exact KL needs none.
      advantages: returns less baseline; no gradient passes through them.
      kl_weight: alpha.
    """
    credit = jax.lax.stop_gradient(weights * advantages) * terms.log_probs
    per_token = -(1.0 - kl_weight) * credit + kl_weight * terms.kl
    return jnp.sum(per_token, axis=(1, 2))


def value_loss(
    values: Float[Array, "b f q"], returns: Float[Array, "b f q"]
) -> Float[Array, ""]:
    """Returns the squared error, summed over tokens, mean over clips."""
    squared = jnp.square(jax.lax.stop_gradient(returns) - values)
    return jnp.mean(jnp.sum(squared, axis=(1, 2)))
