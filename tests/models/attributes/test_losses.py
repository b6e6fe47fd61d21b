"""Masked cross-entropy against numbers by hand."""

import jax.numpy as jnp
import numpy as np

from musicrl_jax.models.attributes import losses

LOGITS = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3]]))


def test_mean_negative_log_probability():
    loss, accuracy = losses.masked_cross_entropy(LOGITS, jnp.array([0, 2, 0]))
    np.testing.assert_allclose(loss, -np.log([0.5, 0.7, 0.3]).mean(), rtol=1e-6)
    np.testing.assert_allclose(accuracy, 2 / 3, rtol=1e-6)


def test_unknown_labels_are_left_out():
    some = losses.masked_cross_entropy(LOGITS, jnp.array([0, -1, 2]))
    kept = losses.masked_cross_entropy(LOGITS[jnp.array([0, 2])], jnp.array([0, 2]))
    np.testing.assert_allclose(some, kept, rtol=1e-6)
    none, _ = losses.masked_cross_entropy(LOGITS, jnp.array([-1, -1, -1]))
    assert none == 0.0


def test_smoothing_is_smallest_at_the_smoothed_target():
    label = jnp.array([1, 1, 1])
    target = jnp.log(jnp.array([0.05, 0.9, 0.05]))
    smoothed = jnp.broadcast_to(target[None], (3, 3))
    best, _ = losses.masked_cross_entropy(smoothed, label, smoothing=0.15)
    sure, _ = losses.masked_cross_entropy(smoothed * 3, label, smoothing=0.15)
    assert best < sure
    np.testing.assert_allclose(best, -0.9 * np.log(0.9) - 0.1 * np.log(0.05), rtol=1e-5)
