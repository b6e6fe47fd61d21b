"""Contrastive training over devices: negatives are those of the whole batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicrl_jax.core import sharding
from musicrl_jax.models.mulan import config, losses, objective

SIZES = config.MulanConfig(
    vocabulary_size=30,
    text_words=6,
    text_width=16,
    text_heads=2,
    num_mels=8,
    audio_stem=(3,),
    audio_widths=(8, 12),
    audio_blocks=1,
    audio_layers=1,
    audio_heads=2,
    embedding=8,
)
TRAINER = objective.MulanObjective(config=SIZES)
PAIRS = 16


def _batch() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    text = generator.integers(1, 30, (PAIRS, 6)).astype(np.int32)
    text[3] = text[12]  # On different devices: neither is the other's negative.
    mel = generator.normal(-4, 2, (PAIRS, 16, 8)).astype(np.float32)
    return {"mel": mel, "text": text}


def _loss_and_gradient(devices: int) -> tuple[jax.Array, dict]:
    mesh = sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:devices])
    params, _ = jax.jit(TRAINER.init)(jax.random.key(0))
    params = jax.device_put(params, sharding.tree_shardings(params, mesh))
    batch = jax.device_put(_batch(), sharding.batch_sharding(mesh))
    assert len(batch["mel"].sharding.device_set) == devices
    assert batch["mel"].addressable_shards[0].data.shape[0] == PAIRS // devices

    @jax.jit
    def value_and_grad(params, batch, key):
        return jax.value_and_grad(lambda x: TRAINER.loss(x, {}, batch, key)[0])(params)

    return value_and_grad(params, batch, jax.random.key(1))


@pytest.mark.slow
def test_four_devices_have_the_loss_and_gradients_of_one() -> None:
    (one, expected), (four, found) = _loss_and_gradient(1), _loss_and_gradient(4)
    np.testing.assert_allclose(four, one, rtol=1e-5)
    # The pooling's bias changes nothing, so its gradient is only rounding: leaves are
    # held to their own size, or to the whole gradient's where that is larger by far.
    whole = float(optax.tree.norm(expected))
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        size = max(float(jnp.linalg.norm(a)), 1e-2 * whole)
        assert float(np.linalg.norm(np.asarray(a) - np.asarray(b))) <= 1e-5 * size


def _reference(audio, text, log_scale, same) -> float:
    """InfoNCE both ways in float64 (van den Oord et al., 1807.03748)."""
    scores = np.exp(log_scale) * audio.astype(np.float64) @ text.T.astype(np.float64)
    scores[same & ~np.eye(len(same), dtype=bool)] = -np.inf
    own = np.diagonal(scores)
    rows = np.log(np.exp(scores).sum(axis=1)) - own
    columns = np.log(np.exp(scores).sum(axis=0)) - own
    return (rows.mean() + columns.mean()) / 2


@pytest.mark.parametrize("log_scale", [0.0, 2.659])
def test_the_loss_is_infonce_over_the_whole_batch(log_scale: float) -> None:
    generator = np.random.default_rng(1)
    audio, text = generator.normal(size=(2, PAIRS, 8)).astype(np.float32)
    audio /= np.linalg.norm(audio, axis=1, keepdims=True)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    words = jnp.asarray(_batch()["text"])
    same = losses.same_caption(words)
    mesh = sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:4])
    placed = jax.device_put((audio, text), sharding.batch_sharding(mesh))
    scale = jnp.asarray(log_scale)
    loss, _ = jax.jit(losses.contrastive_loss)(*placed, scale, same)
    expected = _reference(audio, text, log_scale, np.array(same))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    # Negatives of one device only would make it much smaller.
    parts = [slice(i, i + 4) for i in range(0, PAIRS, 4)]
    local = [
        _reference(audio[p], text[p], log_scale, np.array(same)[p, p]) for p in parts
    ]
    assert np.mean(local) < 0.9 * expected
