"""The terms of the objective on numbers small enough for paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.learning import losses


def terms(log_probs, kl):
    log_probs, kl = (jnp.asarray(x, jnp.float32)[None, None] for x in (log_probs, kl))
    return losses.TokenTerms(log_probs=log_probs, kl=kl, entropy=kl)


def test_temperature_divides_the_logits_once():
    logits = jnp.asarray([[[[0.0, np.log(3.0)]]]])
    log_p = losses.log_policy(logits, 0.5)
    np.testing.assert_allclose(jnp.exp(log_p)[0, 0, 0], [0.1, 0.9], rtol=1e-6)


def test_half_precision_logits_are_normalised_in_single():
    logits = jnp.zeros((1, 1, 1, 1000), jnp.bfloat16)
    log_p = losses.log_policy(logits, 1.0)
    assert log_p.dtype == jnp.float32
    np.testing.assert_allclose(log_p, -np.log(1000.0), rtol=1e-6)


def test_kl_of_two_coins():
    log_p = jnp.log(jnp.asarray([[[[0.5, 0.5]]]]))
    log_0 = jnp.log(jnp.asarray([[[[0.25, 0.75]]]]))
    expected = 0.5 * np.log(2.0) + 0.5 * np.log(0.5 / 0.75)
    np.testing.assert_allclose(losses.exact_kl(log_p, log_0), expected, rtol=1e-6)


def test_weights_are_one_on_policy_truncated_above_and_free_below():
    log_probs = jnp.log(jnp.asarray([[[0.2, 0.8, 0.1, 1.0]]]))
    behaviour = jnp.log(jnp.asarray([[[0.2, 0.2, 0.2, 1e-38]]]))
    weights = losses.importance_weights(log_probs, behaviour, 2.0)
    np.testing.assert_allclose(weights[0, 0], [1.0, 2.0, 0.5, 2.0], rtol=1e-6)


def test_policy_loss_sums_tokens_of_both_terms():
    loss = losses.policy_loss(
        terms([-1.0, -2.0], [0.5, 0.25]),
        jnp.asarray([[[1.0, 2.0]]]),
        jnp.asarray([[[3.0, -1.0]]]),
        kl_weight=0.2,
    )
    np.testing.assert_allclose(loss, [-0.8 * (-3.0 + 4.0) + 0.2 * 0.75], rtol=1e-6)


@pytest.mark.parametrize("which", ["weights", "advantages"])
def test_no_gradient_reaches_weights_or_advantages(which):
    ones = jnp.ones((1, 1, 2))

    def loss(x):
        arguments = {"weights": ones, "advantages": ones} | {which: x}
        return jnp.sum(
            losses.policy_loss(
                terms([-1.0, -2.0], [0.0, 0.0]), kl_weight=0.2, **arguments
            )
        )

    np.testing.assert_array_equal(jax.grad(loss)(ones), 0.0)


def test_value_loss_moves_values_and_not_their_targets():
    values, targets = jnp.asarray([[[1.0, 2.0]], [[0.0, 0.0]]]), jnp.ones((2, 1, 2))
    assert float(losses.value_loss(values, targets)) == 1.5
    to_values, to_targets = jax.grad(losses.value_loss, argnums=(0, 1))(values, targets)
    np.testing.assert_allclose(to_values[:, 0], [[0.0, 1.0], [-1.0, -1.0]])
    np.testing.assert_array_equal(to_targets, 0.0)
