"""Losses weighed by their gradients' share, not by their scale.

EnCodec (Défossez et al. 2022, section 3.4): the gradient of each loss with respect to
the network's output is divided by the moving average of its norm, so that a loss's
weight is its share of the gradient whatever units it comes in.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from musicrl_jax.core.struct import struct

_SMALLEST = 1e-12


@struct
class Balance:
    """Moving averages of gradient norms; `sums / masses` is unbiased from the start.

    Attributes:
      sums: decayed sums of each loss's norms.
      masses: decayed numbers of these.
    """

    sums: Float[Array, " losses"]
    masses: Float[Array, " losses"]


def init(losses: int) -> Balance:
    """Returns averages over nothing."""
    return Balance(sums=jnp.zeros(losses), masses=jnp.zeros(losses))


def balance(
    state: Balance,
    gradients: Float[Array, "losses b n"],
    weights: Float[Array, " losses"],
    decay: float,
) -> tuple[Float[Array, "b n"], Balance]:
    """Returns the gradient of all losses together, and the averages after it.

    Args:
      state: the averages before.
      gradients: of each loss with respect to the output.
      weights: their shares, in any unit; a loss of weight 0 takes no part and its
        average stays as it is.
      decay: of the averages.
    """
    norms = jnp.mean(jnp.sqrt(jnp.sum(jnp.square(gradients), axis=-1)), axis=-1)
    active = weights > 0
    sums = jnp.where(active, decay * state.sums + norms, state.sums)
    masses = jnp.where(active, decay * state.masses + 1.0, state.masses)
    averages = sums / jnp.maximum(masses, 1.0)
    shares = weights / jnp.maximum(jnp.sum(weights), _SMALLEST)
    scales = shares / jnp.maximum(averages, _SMALLEST)
    return jnp.einsum("i,ibn->bn", scales, gradients), Balance(sums=sums, masses=masses)
