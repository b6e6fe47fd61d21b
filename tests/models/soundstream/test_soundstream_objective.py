"""Discriminators and the training of SoundStream, small enough for a test."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, sharding
from musicrl_jax.models.soundstream import config, discriminators, objective
from musicrl_jax.pretraining import adversarial, adversarial_config
from musicrl_jax.pretraining import adversarial_objective as protocol
from musicrl_jax.pretraining import config as pretrain_config

SIZES = config.SoundStreamConfig(
    sample_rate_hz=16_000,
    width=4,
    strides=(4, 4),
    dilations=(1,),
    kernel=5,
    levels=2,
    codebook_size=16,
    code_width=8,
)
JUDGES = config.DiscriminatorConfig(
    stft_windows=(64,), stft_width=4, wave_scales=2, wave_width=4, depth=2
)
CLIPS, SAMPLES = 4, 512


def make_objective(**changes):
    return objective.SoundStreamObjective(
        config=SIZES,
        loss_config=config.SoundStreamLossConfig(
            mel_windows=(64, 256), waveform_weight=1.0, **changes
        ),
        discriminators=JUDGES,
    )


def batch(seed):
    """Returns tones of different pitch, phase and level."""
    rng = np.random.default_rng(seed)
    time = np.arange(SAMPLES)[None] / 16_000
    pitch, phase = rng.uniform(100, 2000, (CLIPS, 1)), rng.uniform(0, 6, (CLIPS, 1))
    tones = rng.uniform(0.1, 0.5, (CLIPS, 1)) * np.sin(6.283 * pitch * time + phase)
    return {"waveform": jnp.asarray(tones, jnp.float32)}


@functools.cache
def trained(steps=150):
    step = adversarial.AdversarialStep(
        objective=make_objective(dropout=0.0),
        config=pretrain_config.PretrainConfig(
            steps=steps, learning_rate=3e-3, warmup_steps=5
        ),
        adversarial=adversarial_config.AdversarialConfig(
            discriminator_start=steps // 2, discriminator_learning_rate=3e-3
        ),
        mesh=sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:1]),
    )
    root = jax.random.key(0)
    state, rows = step.init(root), []
    for number in range(steps):
        state, scalars = step(state, batch(number % 16), root)
        rows.append(jax.device_get(dict(scalars)))
    return state, rows


def test_it_is_an_adversarial_objective():
    assert isinstance(make_objective(), protocol.AdversarialObjective)


@pytest.mark.slow
def test_training_lowers_distances_and_teaches_discriminators():
    state, rows = trained()
    half = len(rows) // 2
    for name in ("loss/waveform", "loss/mel"):
        first, last = (
            np.mean([row[name] for row in part])
            for part in (rows[:5], rows[half - 5 : half])
        )
        assert last < 0.8 * first, name
    assert all(row["loss/discriminator"] == 0 for row in rows[:half])
    game = [row["loss/discriminator"] for row in rows[half:]]
    assert np.mean(game[-10:]) < np.mean(game[:3])
    assert int(state.skipped) == 0
    assert rows[-1]["perplexity/level_0"] > 2


def test_first_batch_is_quantised_with_entries_of_its_own():
    trainer = make_objective(dropout=0.0)
    params, _, statistics = jax.jit(trainer.init)(jax.random.key(0))
    _, (moved, metrics) = jax.jit(trainer.reconstruct)(
        params, statistics, batch(0), jax.random.key(1)
    )
    assert (moved["codebooks"].counts > 0).all()
    vectors = np.std(np.asarray(moved["codebooks"].entries[0]), axis=0)
    assert metrics["loss/commitment"] < 0.5 * np.mean(np.square(vectors))


def test_discriminators_halve_frequencies_and_quarter_rates():
    waveform = batch(0)["waveform"]
    params = discriminators.init(JUDGES, jax.random.key(0))
    made = discriminators.judge(JUDGES, params, waveform)
    assert [logits.shape for logits, _ in made] == [
        (CLIPS, SAMPLES // 16, 8),
        (CLIPS, SAMPLES // 16),
        (CLIPS, SAMPLES // 32),
    ]
    assert [len(layers) for _, layers in made] == [3, 2, 2]
    alone = discriminators.judge(JUDGES, params, waveform[1:2])
    for (logits, _), (single, _) in zip(made, alone, strict=True):
        np.testing.assert_allclose(logits[1:2], single, atol=1e-5)


@pytest.mark.parametrize(
    "bad",
    [{"stft_windows": (100,)}, {"depth": 0}, {"stft_windows": (), "wave_scales": 0}],
)
def test_discriminator_config_refuses(bad):
    with pytest.raises(errors.InputError, match="DiscriminatorConfig"):
        config.DiscriminatorConfig(**bad)


@pytest.mark.parametrize("bad", [{"dropout": 1.0}, {"mel_windows": ()}])
def test_loss_config_refuses(bad):
    with pytest.raises(errors.InputError, match=f"LossConfig.{next(iter(bad))}"):
        config.SoundStreamLossConfig(**bad)
