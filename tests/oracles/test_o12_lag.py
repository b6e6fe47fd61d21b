"""O12: what the truncated importance weight does to samples of an older policy."""

import jax
import jax.numpy as jnp

from musicrl_jax.learning import config as configs
from musicrl_jax.learning import gradients
from tests.oracles import exact, tabular


def problem_with(cap, sizes=(4,)):
    return exact.Problem(
        tree=tabular.make_tree(sizes, 1),
        config=configs.LearnerConfig(
            kl_weight=0.0, importance_cap=cap, temperature=0.99
        ),
    )


def older(problem, params, lag):
    """The policy that sampled: `params` some way back along a fixed direction."""
    direction = problem.policy.init(jax.random.key(5))
    return jax.tree.map(lambda p, d: p - lag * d, params, direction)


def each_gradient(problem, params, sampler):
    """The production gradient of each clip, flat, and the clip's probability."""
    production = gradients.PolicyGradient(policy=problem.policy, config=problem.config)
    batch = problem.batch(problem.token_log_probs(sampler))

    def one(clip):
        single = jax.tree.map(lambda x: x[None], clip)
        gradient, _ = production(
            params, params, single, jnp.zeros((1, *clip.tokens.shape))
        )
        return jnp.concatenate([x.reshape(-1) for x in jax.tree.leaves(gradient)])

    return jax.jit(jax.vmap(one))(batch), problem.clip_probs(sampler)


def bias_and_variance(problem, lag):
    """Of the gradient from the older policy's samples, against the exact one."""
    params = problem.policy.init(jax.random.key(1))
    now, now_probs = each_gradient(problem, params, params)
    each, probs = each_gradient(problem, params, older(problem, params, lag))
    mean = probs @ each
    bias = float(jnp.linalg.norm(mean - now_probs @ now))
    return bias, float(probs @ jnp.sum((each - mean[None]) ** 2, axis=1))


def test_an_untruncated_weight_is_unbiased_for_one_token(float64):
    assert bias_and_variance(problem_with(cap=1e9), lag=0.5)[0] < 1e-12


def test_truncation_trades_variance_for_bias(float64):
    free_bias, free_variance = bias_and_variance(problem_with(cap=1e9), lag=1.0)
    cut_bias, cut_variance = bias_and_variance(problem_with(cap=1.5), lag=1.0)
    assert cut_bias > 100 * free_bias
    assert cut_variance < 0.9 * free_variance


def test_bias_at_a_small_lag_is_small_and_far_below_that_without_weights(float64):
    problem = problem_with(cap=2.0, sizes=(3, 2))
    params = problem.policy.init(jax.random.key(1))
    sampler = older(problem, params, lag=0.1)
    weighted, _ = bias_and_variance(problem, lag=0.1)
    now, now_probs = each_gradient(problem, params, params)
    unweighted = problem.clip_probs(sampler) @ now - now_probs @ now
    assert weighted < 0.7 * float(jnp.linalg.norm(unweighted))
    assert weighted < 0.1 * float(jnp.linalg.norm(now_probs @ now))
