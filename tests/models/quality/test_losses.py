"""Rater error against numbers by hand, and the biases that minimise it."""

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.models.quality import losses

OPINION = jnp.array([3.0, 4.0])
SCORES = jnp.array([[4.0, 2.0], [5.0, 0.0]])
RATERS = jnp.array([[0, 1], [1, -1]])


def test_mean_over_single_scores():
    error = losses.rater_error(OPINION, SCORES, RATERS, jnp.zeros(2))
    np.testing.assert_allclose(error, (1 + 1 + 1) / 3, rtol=1e-6)
    biased = losses.rater_error(OPINION, SCORES, RATERS, jnp.array([0.5, -0.5]))
    np.testing.assert_allclose(biased, (0.25 + 0.25 + 2.25) / 3, rtol=1e-6)


def test_entries_without_a_score_change_nothing():
    error = losses.rater_error(OPINION, SCORES, RATERS, jnp.ones(2))
    other = losses.rater_error(OPINION, SCORES.at[1, 1].set(77.0), RATERS, jnp.ones(2))
    assert error == other
    nobody = losses.rater_error(OPINION, SCORES, jnp.full((2, 2), -1), jnp.ones(2))
    assert nobody == 0.0
    gradient = jax.grad(losses.rater_error, argnums=3)(
        OPINION, SCORES, jnp.full((2, 2), -1), jnp.ones(2)
    )
    np.testing.assert_array_equal(gradient, [0.0, 0.0])


def test_biases_of_raters_are_found():
    rng = np.random.default_rng(0)
    truth = np.array([0.6, -0.4, -0.2], np.float32)
    opinion = rng.uniform(1, 5, 300).astype(np.float32)
    raters = np.stack([rng.permutation(3)[:2] for _ in opinion])
    scores = opinion[:, None] + truth[raters] + rng.normal(0, 0.1, raters.shape)
    bias = jnp.zeros(3)
    gradient = jax.jit(jax.grad(losses.rater_error, argnums=3))
    for _ in range(60):
        bias -= gradient(opinion, jnp.asarray(scores, jnp.float32), raters, bias)
    np.testing.assert_allclose(bias, truth, atol=0.03)
