"""KL to the reference and entropy of the policy on clips that it has just sampled."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, protocols
from musicrl_jax.learning import chunks, losses


@functools.partial(jax.jit, static_argnames=("policy", "temperature", "chunk_frames"))
def evaluate_kl(  # noqa: PLR0913, PLR0917 - three of the seven are static
    policy: protocols.Policy,
    params: arrays.Params,
    reference_params: arrays.Params,
    tokens: Int[Array, "b f q"],
    conditioning: Int[Array, "b k"],
    temperature: float,
    chunk_frames: int,
) -> tuple[Float[Array, " b"], Float[Array, " q"]]:
    """Returns KL(policy || reference) of each clip and the entropy of each position.

    Args:
      policy: the network of both trees.
      params: the policy, whose own samples `tokens` must be.
      reference_params: what the divergence is measured against.
      tokens: clips sampled from pi_T of `params`.
      conditioning: what they were sampled for.
      temperature: T of the sampling.
      chunk_frames: frames whose logits exist at one time.

    Returns:
      Nats per clip (exact at each state, summed over the clip's tokens), and nats per
      token at each position of a frame, mean over clips and frames.
    """
    frames = (
        policy.frame_states(params, tokens, conditioning),
        policy.frame_states(reference_params, tokens, conditioning),
        tokens,
    )

    def piece_terms(
        piece: tuple[Float[Array, "b f d"], Float[Array, "b f d"], Int[Array, "b f q"]],
    ) -> losses.TokenTerms:
        states, reference_states, piece_tokens = piece
        return losses.token_terms(
            policy.token_logits(params, states, piece_tokens),
            policy.token_logits(reference_params, reference_states, piece_tokens),
            piece_tokens,
            temperature,
        )

    done = jax.lax.map(piece_terms, chunks.cut(frames, chunk_frames))
    terms = chunks.join(done, tokens.shape[1])
    return jnp.sum(terms.kl, axis=(1, 2)), jnp.mean(terms.entropy, axis=(0, 1))
