"""The estimator's loss, a pure function of arrays."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def rater_error(
    opinion: Float[Array, " b"],
    scores: Float[Array, "b r"],
    raters: Int[Array, "b r"],
    bias: Float[Array, " raters"],
) -> Float[Array, ""]:
    """Returns the mean squared error of `opinion + bias of the rater` over all scores.

    Args:
      opinion: the mean opinion that is predicted for each clip.
      scores: what its raters said.
      raters: who said it; -1 where there is no score, which is left out.
      bias: of each rater: how much milder than the mean of all.
    """
    known = (raters >= 0).astype(opinion.dtype)
    expected = opinion[:, None] + bias[raters]
    squared = jnp.square(expected - scores)
    return jnp.sum(squared * known) / jnp.maximum(jnp.sum(known), 1.0)
