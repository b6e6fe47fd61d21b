"""O6: the chunked KL is the dense KL is float64 numpy; at the reference it is 0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from musicrl_jax.learning import config as configs
from musicrl_jax.learning import divergence, gradients, losses
from tests.oracles import exact, tabular


@pytest.fixture
def problem():
    return exact.Problem(
        tree=tabular.make_tree((4, 2), 3),
        config=configs.LearnerConfig(kl_weight=0.9, chunk_frames=2),
    )


def numpy_kl(logits, reference_logits, temperature):
    """KL of two softmaxes over the entries that a codebook has."""
    log_p = scipy.special.log_softmax(np.asarray(logits, np.float64) / temperature, -1)
    log_0 = scipy.special.log_softmax(
        np.asarray(reference_logits, np.float64) / temperature, -1
    )
    return np.sum(np.exp(log_p) * (log_p - log_0), axis=-1)


@pytest.mark.parametrize("chunk_frames", [2, 7])
def test_chunked_is_dense_is_numpy(float64, problem, chunk_frames):
    params, reference = problem.policy.init(jax.random.key(1)), problem.reference()
    clip = (problem.tokens()[::17], problem.conditioning()[::17])
    dense = [
        problem.policy.token_logits(
            tree, problem.policy.frame_states(tree, *clip), clip[0]
        )
        for tree in (params, reference)
    ]
    expected = numpy_kl(*dense, 0.99)
    assert expected.mean() > 0.1
    per_clip, _ = divergence.evaluate_kl(
        problem.policy, params, reference, *clip, 0.99, chunk_frames
    )
    terms = losses.token_terms(*dense, clip[0], 0.99)
    np.testing.assert_allclose(terms.kl, expected, atol=1e-13)
    np.testing.assert_allclose(per_clip, expected.sum((1, 2)), atol=1e-12)


def test_entropy_is_numpys(float64, problem):
    params = problem.policy.init(jax.random.key(1))
    clip = (problem.tokens()[::17], problem.conditioning()[::17])
    states = problem.policy.frame_states(params, *clip)
    logits = np.asarray(problem.policy.token_logits(params, states, clip[0]))
    log_p = scipy.special.log_softmax(logits / 0.99, -1)
    _, entropy = divergence.evaluate_kl(problem.policy, params, params, *clip, 0.99, 2)
    expected = -np.sum(np.exp(log_p) * log_p, axis=-1).mean((0, 1))
    np.testing.assert_allclose(entropy, expected, atol=1e-13)


def test_kl_and_its_gradient_vanish_at_the_reference(problem):
    params = problem.reference()
    batch = problem.batch()
    gradient, terms = gradients.PolicyGradient(
        policy=problem.policy, config=problem.config
    )(
        params,
        params,
        batch,
        jnp.broadcast_to(batch.rewards[:, None, None], batch.tokens.shape),
    )
    np.testing.assert_allclose(terms.policy.kl, 0.0, atol=1e-6)
    assert all(float(jnp.max(jnp.abs(x))) < 1e-6 for x in jax.tree.leaves(gradient))


def test_gradient_of_the_kl_is_its_finite_difference(float64, problem):
    key = jax.random.key(0)
    logits, reference, direction = jax.random.normal(key, (3, 2, 3, 2, 5))

    def kl(x):
        terms = losses.token_terms(x, reference, jnp.zeros(x.shape[:3], int), 0.99)
        return jnp.sum(terms.kl)

    step = 1e-3
    at = [float(kl(logits + times * step * direction)) for times in (-2, -1, 1, 2)]
    slope = (8 * (at[2] - at[1]) - (at[3] - at[0])) / (12 * step)
    assert abs(slope) > 0.1
    assert float(jnp.sum(jax.grad(kl)(logits) * direction)) == pytest.approx(
        slope, abs=1e-11
    )


def test_entries_that_a_codebook_lacks_weigh_nothing():
    logits = jnp.asarray([[[[0.3, -1.0, -1e30]]]])
    reference = jnp.asarray([[[[0.1, 0.5, -1e30]]]])
    tokens = jnp.zeros((1, 1, 1), jnp.int32)

    def kl(x):
        return jnp.sum(losses.token_terms(x, reference, tokens, 0.99).kl)

    expected = numpy_kl(logits[..., :2], reference[..., :2], 0.99)
    np.testing.assert_allclose(kl(logits), expected.sum(), rtol=1e-6)
    gradient = jax.grad(kl)(logits)
    assert bool(jnp.all(jnp.isfinite(gradient)))
    assert float(gradient[0, 0, 0, 2]) == 0.0
