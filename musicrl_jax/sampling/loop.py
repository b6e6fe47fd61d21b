"""The frame loop: prefill, then one compiled scan over frames."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, protocols, trajectory
from musicrl_jax.sampling import choices


@functools.partial(jax.jit, static_argnames=("policy", "num_frames"))
def sample(
    policy: protocols.Policy,
    params: arrays.Params,
    conditioning: Int[Array, "b k"],
    keys: Key[Array, " b"],
    num_frames: int,
    temperature: float | Float[Array, ""] = 0.99,
) -> trajectory.Generation:
    """Draws clips of `num_frames` frames from pi_T (paper section 4.2: T = 0.99).

    Compiled once for each policy, batch size and length. A clip depends on its
    conditioning and its key, not on the batch that it is drawn in.

    Args:
      policy: hashable; its parameters come separately.
      params: the policy's parameters.
      conditioning: MuLan tokens of each clip's caption.
      keys: one for each clip, see `core.rng.clip_keys`.
      num_frames: length of the clips.
      temperature: T.

    Returns:
      Tokens and their log-probabilities under pi_T.
    """
    cache = policy.init_cache(params, conditioning, num_frames)
    first = jnp.zeros(
        (conditioning.shape[0], policy.layout.tokens_per_frame), jnp.int32
    )

    def draw_frame(carry: arrays.Tree, frame: Int[Array, ""]) -> arrays.Tree:
        cache, previous = carry
        frame_keys = jax.vmap(lambda key: jax.random.fold_in(key, frame))(keys)
        choose = choices.sampled(frame_keys, temperature)
        cache, tokens, log_probs = policy.step(params, cache, previous, choose)
        return (cache, tokens), (tokens, log_probs)

    _, (tokens, log_probs) = jax.lax.scan(
        draw_frame, (cache, first), jnp.arange(num_frames)
    )
    return trajectory.Generation(
        tokens=tokens.swapaxes(0, 1), log_probs=log_probs.swapaxes(0, 1)
    )
