"""Masks and targets of masked prediction."""

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.models.semantic import config, losses, network

SIZES = config.SemanticConfig(num_mels=8, width=8, target_size=12, target_width=4)


def test_spans_hide_their_share_of_every_place():
    mask = np.asarray(losses.span_mask(jax.random.key(0), 4000, 30, 0.4, 6))
    np.testing.assert_allclose(mask.mean(), 0.4, atol=0.01)
    np.testing.assert_allclose(mask.mean(axis=0), 0.4, atol=0.04)


def test_hidden_runs_are_at_least_a_span_long():
    mask = np.asarray(losses.span_mask(jax.random.key(1), 200, 60, 0.3, 5))
    for row in mask:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]]).astype(int)))
        starts, ends = edges[::2], edges[1::2]
        inside = (starts > 0) & (ends < 60)
        assert (ends - starts)[inside].min(initial=5) >= 5


def test_targets_are_nearest_directions_and_ignore_loudness():
    targets = network.init_targets(SIZES, jax.random.key(0))
    mel = jax.random.normal(jax.random.key(1), (2, 9, 8))
    found = losses.projection_targets(mel, **targets)
    projected = np.einsum("bfm,tmp->bftp", mel, targets["projections"])
    books = np.asarray(targets["codebooks"])
    unit = projected / np.linalg.norm(projected, axis=-1, keepdims=True)
    distance = np.linalg.norm(unit[..., None, :] - books[None, None], axis=-1)
    np.testing.assert_array_equal(found, distance.argmin(axis=-1))
    louder = losses.projection_targets(3.0 * mel, **targets)
    np.testing.assert_array_equal(found, louder)


def test_only_hidden_frames_count():
    logits = jnp.zeros((1, 4, 2, 5))
    targets = jnp.zeros((1, 4, 2), jnp.int32)
    mask = jnp.asarray([[True, False, True, False]])
    loss, metrics = losses.masked_prediction_loss(logits, targets, mask)
    np.testing.assert_allclose(loss, np.log(5), rtol=1e-6)
    sure = logits.at[:, 0, :, 0].set(50.0).at[:, 1, :, 1].set(50.0)
    loss, metrics = losses.masked_prediction_loss(sure, targets, mask)
    np.testing.assert_allclose(loss, 0.5 * np.log(5), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], 1.0)


def test_nothing_hidden_costs_nothing():
    loss, metrics = losses.masked_prediction_loss(
        jnp.ones((1, 3, 1, 4)), jnp.zeros((1, 3, 1), int), jnp.zeros((1, 3), bool)
    )
    assert loss == metrics["accuracy"] == 0.0
