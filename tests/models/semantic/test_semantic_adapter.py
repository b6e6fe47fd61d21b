"""The encoder as a semantic tokenizer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from semantic_sizes import SIZES

from musicrl_jax.core import errors, protocols
from musicrl_jax.models.semantic import adapter, config, objective
from musicrl_jax.nn import clustering

TOKENIZER = adapter.make_semantic(SIZES)
TRAINER = objective.SemanticObjective(config=SIZES)
features_of = jax.jit(TOKENIZER.features)
tokens_of = jax.jit(TOKENIZER.tokenize_mel)
init = jax.jit(TRAINER.init)


@pytest.fixture(scope="module")
def params():
    fresh = jax.jit(TOKENIZER.init_params)(jax.random.key(0))
    sound = 0.1 * jax.random.normal(jax.random.key(1), (4, 30, 8)) - 4
    features = features_of(fresh["network"], sound).reshape(-1, 16)
    centroids = clustering.fit_kmeans(jax.random.key(2), features, SIZES.clusters)
    return {"network": fresh["network"], "centroids": centroids}


def test_one_token_a_frame_in_range(params):
    assert isinstance(TOKENIZER, protocols.SemanticTokenizer)
    sound = 0.1 * jax.random.normal(jax.random.key(3), (2, 640 * 20))
    tokens = jax.jit(TOKENIZER.tokenize)(params, sound)
    assert tokens.shape == (2, 20)
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < 6


def test_tokens_far_from_a_cut_do_not_notice_it(params):
    mel = jax.random.normal(jax.random.key(4), (1, 40, 8)) - 4
    whole, part = (
        tokens_of(params, mel),
        tokens_of(params, mel[:, 10:30]),
    )
    np.testing.assert_array_equal(whole[:, 12:28], part[:, 2:18])


def test_features_have_zero_mean_and_unit_variance(params):
    mel = jax.random.normal(jax.random.key(5), (2, 10, 8)) * 3 - 4
    features = features_of(params["network"], mel)
    np.testing.assert_allclose(features.mean(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(features.var(axis=-1), 1, atol=1e-3)


def test_the_loss_sees_nothing_of_a_hidden_frame_but_its_target():
    """Hiding everything makes the prediction the same for all clips."""
    everything = jnp.ones((2, 12), bool)
    params, _ = init(jax.random.key(0))
    module = adapter.network.SemanticEncoder(config=SIZES).bind({"params": params})
    mel = jax.random.normal(jax.random.key(1), (2, 12, 8))
    logits = module(mel, everything)
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)
    shown = module(mel, ~everything)
    assert float(jnp.max(jnp.abs(shown[0] - shown[1]))) > 1e-3


def test_training_learns_to_predict_hidden_frames():
    """Each clip is one repeated frame, so its neighbours tell what is hidden."""
    frames = jax.random.normal(jax.random.key(0), (16, 1, 8)) * 3 - 4
    batch = {"mel": jnp.repeat(frames, 16, axis=1)}
    params, statistics = init(jax.random.key(1))

    @jax.jit
    def descend(params, key):
        loss, gradient = jax.value_and_grad(
            lambda tree: TRAINER.loss(tree, statistics, batch, key)[0]
        )(params)
        return jax.tree.map(lambda p, g: p - 0.3 * g, params, gradient), loss

    losses = []
    for key in jax.random.split(jax.random.key(2), 80):
        params, loss = descend(params, key)
        losses.append(float(loss))
    assert np.mean(losses[-5:]) < 0.6 * losses[0]


def test_targets_are_statistics_that_the_loss_returns_unchanged():
    params, statistics = init(jax.random.key(0))
    batch = {"mel": jnp.zeros((2, 12, 8), jnp.float16)}
    _, (after, _) = jax.jit(TRAINER.loss)(params, statistics, batch, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, after, statistics)
    np.testing.assert_allclose(
        np.linalg.norm(statistics["codebooks"], axis=-1), 1, rtol=1e-5
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"blocks": 2, "token_block": 3},
        {"mask_share": 1.0},
        {"clusters": 0},
        {"heads": -1},
        {"heads": 4, "blocks": 2, "token_block": 2},
        {"remat": True},
        {"dtype": "bfloat16"},
        {"frames_per_token": 3},
        {"frames_per_token": 4, "num_mels": 66},
    ],
)
def test_sizes_that_cannot_be_are_refused(fields):
    with pytest.raises(errors.InputError, match="SemanticConfig"):
        config.SemanticConfig(**fields)
