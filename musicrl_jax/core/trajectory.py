"""What travels between the processes: generations, clips to score, trajectories."""

from jaxtyping import Array, Float, Int

from musicrl_jax.core.struct import struct


@struct
class Generation:
    """Sampled clips and the log-probability of each token under the sampler.

    Attributes:
      tokens: ids, each below its position's codebook size.
      log_probs: natural log of pi_T(token | state) at the sampling temperature.
    """

    tokens: Int[Array, "b f q"]
    log_probs: Float[Array, "b f q"]


@struct
class TrajectoryBatch:
    """What one learner update consumes.

    Attributes:
      tokens: the sampled clips.
      conditioning: MuLan tokens of each clip's caption.
      log_probs: behaviour log-probabilities, from the sampler (not recomputed).
      rewards: the combined sequence reward of each clip, finite.
      lags: policy updates between the sampler's weights and the learner's; None
        where all are 0. Metrics alone read it.
    """

    tokens: Int[Array, "b f q"]
    conditioning: Int[Array, "b k"]
    log_probs: Float[Array, "b f q"]
    rewards: Float[Array, " b"]
    lags: Int[Array, " b"] | None = None
