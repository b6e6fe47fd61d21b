"""The loss against a sum by hand, over hidden frames alone."""

import jax.numpy as jnp
import numpy as np
import scipy.special

from musicrl_jax.models.soundstorm import losses


def test_only_hidden_frames_count_and_all_of_them_alike():
    random = np.random.default_rng(0)
    logits = random.normal(size=(2, 3, 5)).astype(np.float32)
    codes = np.asarray([[0, 1, 2], [3, 4, 0]])
    masked = np.asarray([[True, False, True], [False, False, True]])
    nats, accuracy = losses.masked_cross_entropy(
        jnp.asarray(logits), jnp.asarray(codes), jnp.asarray(masked)
    )
    log_probs = scipy.special.log_softmax(logits, axis=-1)
    places = np.argwhere(masked)
    wanted = [-log_probs[b, f, codes[b, f]] for b, f in places]
    right = [logits[b, f].argmax() == codes[b, f] for b, f in places]
    np.testing.assert_allclose(nats, np.mean(wanted), rtol=1e-5)
    np.testing.assert_allclose(accuracy, np.mean(right), rtol=1e-5)


def test_nothing_hidden_is_a_loss_of_zero():
    nats, accuracy = losses.masked_cross_entropy(
        jnp.ones((1, 2, 3)), jnp.zeros((1, 2), int), jnp.zeros((1, 2), bool)
    )
    assert (nats, accuracy) == (0, 0)
