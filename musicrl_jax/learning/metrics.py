"""The numbers of one update, under path names.

KL, entropy and mismatch are means over the batch's own states. The batch is a little
old, so the KL that is reported and budgeted is the evaluator's, on fresh samples.
"""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from musicrl_jax.core import arrays, layout, trajectory
from musicrl_jax.learning import gradients, returns

Metrics = dict[str, Float[Array, ""]]


def policy_metrics(
    terms: gradients.CreditedTerms,
    batch: trajectory.TrajectoryBatch,
    token_layout: layout.TokenLayout,
) -> Metrics:
    """Returns KL per clip and token, entropy per stream, weights, mismatch and lag."""
    kl = jnp.sum(terms.policy.kl, axis=(1, 2))
    entropy = {
        f"entropy/{stream.name}": jnp.mean(
            terms.policy.entropy[..., token_layout.positions(stream.name)]
        )
        for stream in token_layout.streams
    }
    return {
        "kl/sequence": jnp.mean(kl),
        "kl/sequence_max": jnp.max(kl),
        "kl/token": jnp.mean(terms.policy.kl),
        "reward/mean": jnp.mean(batch.rewards),
        "reward/std": jnp.std(batch.rewards),
        "return/mean": jnp.mean(terms.returns),
        **entropy,
        **_lag_metrics(terms, batch),
    }


def baseline_metrics(
    baseline: Float[Array, "b f q"], target: Float[Array, "b f q"]
) -> Metrics:
    """Returns how much of the returns the baseline explains, and what is left."""
    left = target - baseline
    return {
        "baseline/explained_variance": returns.explained_variance(baseline, target),
        "baseline/mean": jnp.mean(baseline),
        "advantage/mean": jnp.mean(left),
        "advantage/std": jnp.std(left),
    }


def gradient_metrics(**trees: arrays.Params) -> Metrics:
    """Returns the global norm of each gradient, before it is clipped."""
    return {f"gradient_norm/{name}": optax.tree.norm(trees[name]) for name in trees}


def _lag_metrics(
    terms: gradients.CreditedTerms, batch: trajectory.TrajectoryBatch
) -> Metrics:
    """Returns lag, and log pi - log mu apart for equal weights and for older ones.

    At equal weights that difference is the numerics of two programs and should be
    about 1e-5; above that, sampler and learner disagree on the policy.
    """
    lags = batch.lags
    if lags is None:
        lags = jnp.zeros(batch.rewards.shape, jnp.int32)
    apart = jnp.mean(jnp.abs(terms.policy.log_probs - batch.log_probs), axis=(1, 2))
    weights = terms.weights
    ratio = jnp.exp(terms.policy.log_probs - batch.log_probs)
    return {
        "lag/mean": jnp.mean(lags.astype(weights.dtype)),
        "lag/max": jnp.max(lags).astype(weights.dtype),
        "importance/mean": jnp.mean(weights),
        "importance/clipped_share": jnp.mean((weights < ratio).astype(weights.dtype)),
        "importance/mismatch_same_version": _mean_where(apart, lags == 0),
        "importance/mismatch_older_version": _mean_where(apart, lags > 0),
    }


def _mean_where(x: Float[Array, " b"], chosen: Bool[Array, " b"]) -> Float[Array, ""]:
    """Returns the mean over the chosen clips; 0 where there are none."""
    share = chosen.astype(x.dtype)
    return jnp.sum(x * share) / jnp.maximum(jnp.sum(share), 1.0)
