"""What each token is credited with: returns, and the baselines they are held against.

The reward comes at the end and is not discounted, so each token's return is R. In the
"return" mode it is R less the KL that is still to come, in units of the reward.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def kl_to_come(
    kl: Float[Array, "b f q"], after: Float[Array, " b"]
) -> Float[Array, "b f q"]:
    """Returns the KL of the tokens behind each token; `after` follows the last one."""
    flat = kl.reshape(kl.shape[0], -1)
    total = jnp.sum(flat, axis=1, keepdims=True)
    behind = total - jnp.cumsum(flat, axis=1) + after[:, None]
    return behind.reshape(kl.shape)


def returns_to_go(
    rewards: Float[Array, " b"], kl_behind: Float[Array, "b f q"], kl_weight: float
) -> Float[Array, "b f q"]:
    """Returns R - alpha / (1 - alpha) * (KL behind the token).

    Times (1 - alpha), as the policy loss does, that is the return of the objective
    `(1 - alpha) R - alpha KL`. A token's own KL is not in it: its gradient is exact.
    """
    return rewards[:, None, None] - kl_weight / (1.0 - kl_weight) * kl_behind


def leave_one_out(
    rewards: Float[Array, " b"], conditioning: Int[Array, "b k"]
) -> Float[Array, " b"]:
    """Returns the mean reward of the *other* clips with a clip's conditioning.

    A clip that has no such company is held against all other clips of the batch, a
    batch of one against 0. No clip's own reward enters, so the gradient stays unbiased.
    """
    others = 1.0 - jnp.eye(rewards.shape[0], dtype=rewards.dtype)
    same = jnp.all(conditioning[:, None, :] == conditioning[None, :, :], axis=-1)
    group = jnp.where(same, others, 0.0)
    alone = jnp.sum(group, axis=1, keepdims=True) == 0
    weights = jnp.where(alone, others, group)
    # Elementwise, since a matmul may run in a lower precision on an accelerator.
    total = jnp.sum(weights * rewards[None, :], axis=1)
    return total / jnp.maximum(jnp.sum(weights, axis=1), 1.0)


def explained_variance(
    values: Float[Array, "b f q"], returns: Float[Array, "b f q"]
) -> Float[Array, ""]:
    """Returns 1 - Var(returns - values) / Var(returns), or 0 for constant returns."""
    spread = jnp.var(returns)
    share = 1.0 - jnp.var(returns - values) / jnp.maximum(spread, 1e-12)
    return jnp.where(spread > 1e-12, share, 0.0)
