"""O11: the Bradley-Terry loss recovers synthetic scores, up to a constant."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from musicrl_jax.models.preference import losses

CLIPS = 6


def expected_loss(scores, truth):
    """Returns the mean loss over all pairs, chosen as often as the truth says."""
    first, second = np.triu_indices(CLIPS, 1)
    wins = scipy.special.expit(truth[first] - truth[second])
    one, other = scores[first][:, None], scores[second][:, None]
    kept = losses.bradley_terry(one, other)[:, 0]
    turned = losses.bradley_terry(other, one)[:, 0]
    return jnp.mean(wins * kept + (1 - wins) * turned)


@pytest.mark.parametrize("offset", [0.0, 40.0])
def test_scores_are_recovered_up_to_a_constant(float64, offset):
    truth = np.random.default_rng(1).normal(0, 1.5, CLIPS) + offset
    optimizer = optax.lbfgs()
    scores = jnp.zeros(CLIPS)
    state = optimizer.init(scores)
    loss = lambda x: expected_loss(x, truth)  # noqa: E731 - a closure over the truth

    @jax.jit
    def step(scores, state):
        value, gradient = optax.value_and_grad_from_state(loss)(scores, state=state)
        updates, state = optimizer.update(
            gradient, state, scores, value=value, grad=gradient, value_fn=loss
        )
        return optax.apply_updates(scores, updates), state

    for _ in range(60):
        scores, state = step(scores, state)
    found = np.asarray(scores)
    np.testing.assert_allclose(found - found.mean(), truth - truth.mean(), atol=1e-6)


def test_the_constant_is_free_and_the_start_is_log_2(float64):
    one = jnp.asarray(np.random.default_rng(2).normal(size=(7, 1)))
    other = one[::-1]
    plain = losses.bradley_terry(one, other)
    moved = losses.bradley_terry(one + 3.0, other + 3.0)
    np.testing.assert_allclose(plain, moved, atol=1e-14)
    none = jnp.zeros((7, 1))
    start = losses.bradley_terry(none, none)
    np.testing.assert_allclose(start, np.log(2), atol=1e-15)


def test_probabilities_of_both_choices_add_up_to_1(float64):
    one = jnp.asarray([[-30.0], [0.3], [700.0]])
    other = jnp.asarray([[2.0], [0.1], [-700.0]])
    kept = losses.bradley_terry(one, other)
    turned = losses.bradley_terry(other, one)
    np.testing.assert_allclose(jnp.exp(-kept) + jnp.exp(-turned), 1.0, atol=1e-14)
    # Swapping both clips changes the loss by their difference, and nothing overflows.
    np.testing.assert_allclose(turned - kept, one - other, rtol=1e-12)
    gradient = jax.grad(lambda x: losses.bradley_terry(x, other).sum())(one)
    expected = -scipy.special.expit(np.asarray(other - one))
    np.testing.assert_allclose(gradient, expected, atol=1e-15)


def test_a_share_of_users_is_the_mean_over_their_choices():
    one, other = jnp.asarray([[0.3, 2.0]]), jnp.asarray([[-1.0, 0.5]])
    three = losses.bradley_terry(one, other, jnp.asarray([0.75]))
    kept, turned = losses.bradley_terry(one, other), losses.bradley_terry(other, one)
    np.testing.assert_allclose(three, (3 * kept + turned) / 4, rtol=1e-6)
