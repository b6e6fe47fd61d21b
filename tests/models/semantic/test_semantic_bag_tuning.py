"""Tuning of the clusters by bags of tokens."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from semantic_sizes import SIZES

from musicrl_jax.core import errors
from musicrl_jax.models.semantic import adapter, bag_tuning
from musicrl_jax.nn import clustering
from musicrl_jax.pretraining import objective

TRAINER = bag_tuning.BagObjective(
    config=SIZES, bags=bag_tuning.BagConfig(steps=1, batch_size=4, crop_frames=12)
)


def one_hot(tokens):
    return jax.nn.one_hot(jnp.asarray(tokens), 4)


def test_the_contrast_is_the_cross_entropy_of_centred_hellinger_cosines():
    generator = np.random.default_rng(0)
    shares = generator.dirichlet(np.ones(5), size=(3, 8))
    loss, right = bag_tuning.bag_contrast(jnp.asarray(shares), jnp.log(7.0))

    def bags(part):
        roots = np.sqrt(part.mean(axis=1) + 1e-4)
        roots = roots - roots.mean(axis=0)
        return roots / np.linalg.norm(roots, axis=1, keepdims=True)

    cosines = 7.0 * bags(shares[:, :4]) @ bags(shares[:, 4:]).T
    logs = [scipy.special.log_softmax(cosines, axis=axis) for axis in (0, 1)]
    expected = -np.mean([np.diagonal(rows) for rows in logs])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(
        right, np.mean(cosines.argmax(axis=1) == np.arange(3)), rtol=1e-6
    )


def test_order_within_a_half_does_not_count_but_the_half_does():
    tokens = np.asarray([[0, 0, 1, 1, 0, 1, 0, 1], [2, 2, 3, 3, 2, 3, 2, 3]])
    scale = jnp.log(10.0)
    mixed = tokens[:, [3, 1, 0, 2, 7, 5, 6, 4]]
    found = bag_tuning.bag_contrast(one_hot(tokens), scale)[0]
    np.testing.assert_allclose(
        bag_tuning.bag_contrast(one_hot(mixed), scale)[0], found, rtol=1e-5
    )
    assert found < 1e-3
    # Second halves of the other clip: each is found last.
    crossed = np.concatenate([tokens[:, :4], tokens[::-1, 4:]], axis=1)
    assert bag_tuning.bag_contrast(one_hot(crossed), scale)[0] > 10


def test_entropy_is_that_of_the_batch():
    even = one_hot([[0, 1], [2, 3]])
    np.testing.assert_allclose(bag_tuning.entropy(even), np.log(4), rtol=1e-5)
    np.testing.assert_allclose(bag_tuning.entropy(one_hot([[1, 1]])), 0, atol=1e-6)


def test_assignments_are_a_softmax_of_cosines():
    features = jax.random.normal(jax.random.key(0), (1, 2, 16))
    centroids = jax.random.normal(jax.random.key(1), (6, 16))
    found = bag_tuning.assignments(features, centroids, 0.5)
    cosines = np.asarray(features[0]) @ np.asarray(centroids).T
    cosines = cosines / np.linalg.norm(features[0], axis=-1)[:, None]
    cosines = cosines / np.linalg.norm(centroids, axis=-1)[None]
    np.testing.assert_allclose(
        found[0], scipy.special.softmax(cosines / 0.5, axis=-1), rtol=1e-5
    )


def test_tokens_of_tuned_centroids_are_the_likeliest_assignments():
    params, _ = jax.jit(TRAINER.init)(jax.random.key(0))
    tokenizer = adapter.make_semantic(SIZES)
    mel = jax.random.normal(jax.random.key(1), (2, 30, 8)) * 3 - 4
    features = jax.jit(tokenizer.features)(params["network"], mel)
    likeliest = jnp.argmax(
        bag_tuning.assignments(features, params["centroids"], 0.1), axis=-1
    )
    tokens = jax.jit(tokenizer.tokenize_mel)(bag_tuning.tuned(params, SIZES), mel)
    np.testing.assert_array_equal(tokens, likeliest)
    assert len(np.unique(tokens)) > 1


def test_tuning_finds_what_tells_clips_apart():
    """Two bands vary wildly in every clip; two steady weaker ones are the clip's own.

    k-means of raw features spends its clusters on the first; tuned ones tell more.
    """
    keys = jax.random.split(jax.random.key(0), 3)
    steady = jax.random.normal(keys[0], (16, 1, 4)) * 2
    wild = jax.random.normal(keys[1], (16, 24, 4)) * 6
    mel = jnp.concatenate([jnp.repeat(steady, 24, axis=1), wild], axis=-1) - 4
    params, targets = jax.jit(TRAINER.init)(jax.random.key(1))
    tokenizer = adapter.make_semantic(SIZES)
    features = jax.jit(tokenizer.features)(params["network"], mel).reshape(-1, 16)
    centroids = clustering.fit_kmeans(keys[2], features, SIZES.clusters)
    params = {**params, "centroids": centroids}

    @jax.jit
    def descend(params, key):
        (_, (_, metrics)), gradient = jax.value_and_grad(TRAINER.loss, has_aux=True)(
            params, targets, {"mel": mel}, key
        )
        return jax.tree.map(lambda p, g: p - 0.05 * g, params, gradient), metrics

    seen = []
    for key in jax.random.split(jax.random.key(2), 120):
        params, metrics = descend(params, key)
        seen.append(float(metrics["loss/bags"]))
    assert np.mean(seen[-5:]) < 0.7 * seen[0]
    assert float(metrics["tokens/perplexity"]) > 3


def test_it_couples_examples_and_returns_the_targets_unchanged():
    assert isinstance(TRAINER, objective.Coupled)
    assert TRAINER.couples_examples
    params, targets = jax.jit(TRAINER.init)(jax.random.key(0))
    batch = {"mel": jnp.zeros((2, 12, 8), jnp.float16)}
    loss, (after, metrics) = jax.jit(TRAINER.loss)(
        params, targets, batch, jax.random.key(0)
    )
    jax.tree.map(np.testing.assert_array_equal, after, targets)
    parts = metrics["loss/bags"] + 0.3 * metrics["loss/masked"]
    expected = parts - jnp.log(metrics["tokens/perplexity"])
    np.testing.assert_allclose(loss, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": -1},
        {"batch_size": 1},
        {"crop_frames": 1},
        {"temperature": 0.0},
        {"learning_rate_share": 0.0},
        {"masked": -1.0},
    ],
)
def test_settings_that_cannot_be_are_refused(fields):
    with pytest.raises(errors.InputError, match="BagConfig needs"):
        bag_tuning.BagConfig(**fields)
