"""Levels added to a codec: its tokens stay, more are closer, shapes are checked."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, sharding
from musicrl_jax.models.codec import adapter, config, extension, objective
from musicrl_jax.nn import quantizer
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import step

SIZES = config.CodecConfig(
    fft_size=256,
    hop=64,
    num_mels=16,
    width=16,
    encoder_depth=1,
    code_depth=1,
    frame_depth=1,
    levels=2,
    codebook_size=8,
    code_width=4,
    refine_iterations=0,
)
MORE = dataclasses.replace(SIZES, levels=5)
LOSSES = config.CodecLossConfig(dropout=0.5, bypass=0.0)


def waveforms(seed):
    rng = np.random.default_rng(seed)
    time = np.arange(128 * 12) / 16_000
    pitch = rng.choice([300.0, 900.0, 2700.0, 5000.0], size=(4, 1))
    loudness = rng.uniform(0.05, 0.5, size=(4, 1))
    return (loudness * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def run(trainer, begin=None, steps=150):
    training = step.PretrainStep(
        objective=trainer,
        config=pretrain_config.PretrainConfig(
            steps=steps, learning_rate=5e-3, warmup_steps=5
        ),
        mesh=sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:1]),
    )
    root = jax.random.key(0)
    state = training.init(root)
    if begin is not None:
        params, statistics = begin(state.params, state.statistics)
        state = dataclasses.replace(
            state,
            params=jax.tree.map(jnp.copy, params),
            statistics=jax.tree.map(jnp.copy, statistics),
        )
    for number in range(steps):
        state, _ = training(state, {"waveform": waveforms(number % 8)}, root)
    return jax.device_get(state)


@functools.cache
def extended():
    first = run(objective.CodecObjective(config=SIZES, loss_config=LOSSES))
    base = adapter.export_params(first.params, first.statistics)
    trainer = extension.FineLevelsObjective(config=MORE, loss_config=LOSSES, kept=2)
    state = run(trainer, functools.partial(extension.begin, trained=base))
    return base, extension.export_params(state.params, state.statistics)


@pytest.mark.slow
def test_first_levels_keep_their_tokens_exactly():
    base, more = extended()
    clips = jnp.asarray(waveforms(3))
    before = adapter.make_codec(SIZES).encode(base, clips)
    after = adapter.make_codec(MORE).encode(more, clips)
    assert after.shape[-1] == MORE.levels
    np.testing.assert_array_equal(before, after[..., :2])


@pytest.mark.slow
def test_new_levels_bring_reconstructions_closer():
    _, more = extended()
    codec, clips = adapter.make_codec(MORE), jnp.asarray(waveforms(3))
    codes = codec.encode(more, clips)
    target = np.log(1e-3 + np.asarray(codec.magnitudes(more, codes)))
    distances = [
        np.abs(
            np.log(1e-3 + np.asarray(codec.magnitudes(more, codes[..., :n]))) - target
        )
        for n in (2, 3, 4)
    ]
    means = [distance.mean() for distance in distances]
    assert means[0] > means[1] > means[2]
    # All new codebooks are in use: each level chooses more than one entry.
    assert all(len(np.unique(codes[..., level])) > 1 for level in range(2, 5))


def test_dropout_keeps_at_least_the_old_levels():
    used = quantizer.levels_used(jax.random.key(1), (64, 3), 5, 0.99, least=2)
    counts = np.asarray(used.sum(-1))
    assert counts.min() == 2
    assert counts.max() == 5


@pytest.mark.slow
def test_other_sizes_and_no_new_levels_are_refused():
    base, _ = extended()
    wide = dataclasses.replace(MORE, width=32)
    trainer = extension.FineLevelsObjective(config=wide, loss_config=LOSSES, kept=2)
    params, statistics = trainer.init(jax.random.key(0))
    with pytest.raises(errors.InputError, match="own sizes"):
        extension.begin(params, statistics, base)
    with pytest.raises(errors.InputError, match="got 2 over 2"):
        extension.FineLevelsObjective(config=SIZES, loss_config=LOSSES, kept=2)
