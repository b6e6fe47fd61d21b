"""The contrastive loss against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.models.mulan import losses

NONE = jnp.zeros((4, 4), bool)


def test_uniform_similarities_cost_the_log_of_the_batch():
    vectors = jnp.tile(jnp.asarray([[1.0, 0.0]]), (4, 1))
    loss, _ = losses.contrastive_loss(vectors, vectors, jnp.asarray(2.0), NONE)
    np.testing.assert_allclose(loss, np.log(4), rtol=1e-6)


def test_orthogonal_partners_have_the_closed_form():
    eye = jnp.eye(4)
    loss, found = losses.contrastive_loss(eye, eye, jnp.log(5.0), NONE)
    np.testing.assert_allclose(loss, np.log(1 + 3 * np.exp(-5.0)), rtol=1e-5)
    assert found["audio_to_text"] == found["text_to_audio"] == 1.0


def test_both_directions_count_alike():
    audio = jax.random.normal(jax.random.key(0), (4, 3))
    text = jax.random.normal(jax.random.key(1), (4, 3))
    one, _ = losses.contrastive_loss(audio, text, jnp.asarray(0.5), NONE)
    other, _ = losses.contrastive_loss(text, audio, jnp.asarray(0.5), NONE)
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_equal_captions_are_neither_right_nor_wrong():
    text = jnp.asarray([[1, 2], [1, 2], [3, 0], [1, 0]])
    same = losses.same_caption(text)
    assert same.tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, False, True, False],
        [False, False, False, True],
    ]
    vectors = jnp.eye(4)[jnp.asarray([0, 0, 1, 2])]
    loss, _ = losses.contrastive_loss(vectors, vectors, jnp.log(50.0), same)
    assert loss < 1e-6
    counted, _ = losses.contrastive_loss(vectors, vectors, jnp.log(50.0), NONE)
    np.testing.assert_allclose(counted, 0.5 * np.log(2), rtol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_recall_agrees_with_sorting(count):
    queries = jax.random.normal(jax.random.key(2), (20, 5))
    answers = jax.random.normal(jax.random.key(3), (20, 5)) + queries
    order = np.argsort(-np.asarray(queries @ answers.T), axis=1)[:, :count]
    expected = np.mean([i in row for i, row in enumerate(order)])
    np.testing.assert_allclose(losses.recall_at(queries, answers, count), expected)


def test_a_collapsed_embedder_recalls_nothing():
    same = jnp.ones((10, 4))
    assert losses.recall_at(same, same, 1) == 0.0
