"""The estimator learns to rank noise; it is deaf to level and refuses short clips."""

import jax
import numpy as np
import pytest
import scipy.stats

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors, writers
from musicrl_jax.models.quality import adapter, config, network, objective
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop
from musicrl_jax.pretraining import step as steps
from musicrl_jax.rewards import quality as reward

SIZES = config.QualityConfig(
    fft_size=512, num_mels=16, channels=(8,), width=16, blocks=1, min_seconds=0.25
)
RATE = 16_000
LOG_MEL = jax.jit(lambda waveform: spectrogram.log_mel(waveform, SIZES.mel))


class NoisyTones:
    """Tones with noise; of four raters, who see two clips in three, one is strict."""

    bias = np.array([-0.9, 0.3, 0.3, 0.3])

    def draw(self, seed, clips=16, samples=8_000):
        rng = np.random.default_rng(seed)
        strength = rng.uniform(0, 1, clips)
        time = np.arange(samples) / RATE
        hertz = rng.uniform(200, 3_000, (clips, 5, 1))
        tone = np.sin(2 * np.pi * hertz * time[None, None]).sum(1)
        ratio = 10 ** (-40 * (1 - strength) / 20)
        noise = rng.normal(size=tone.shape) * ratio[:, None] * tone.std()
        waveform = 0.1 * rng.uniform(0.5, 1, (clips, 1)) * (tone + noise) / 3
        return waveform.astype(np.float32), strength, rng

    def batch(self, step):
        waveform, strength, rng = self.draw(step)
        raters = np.tile(np.arange(4, dtype=np.int32), (len(strength), 1))
        scores = 5 - 4 * strength[:, None] + self.bias[None]
        scores = scores + rng.normal(0, 0.2, scores.shape)
        raters[rng.random(raters.shape) < 1 / 3] = -1
        mel = LOG_MEL(jax.numpy.asarray(waveform))
        return {
            "mel": np.asarray(mel, np.float16),
            "scores": np.clip(scores, 1, 5).astype(np.float32),
            "raters": raters,
        }


@pytest.fixture(scope="module")
def trained():
    trainer = objective.QualityObjective(config=SIZES, raters=4)
    state = loop.train(
        trainer,
        NoisyTones(),
        pretrain_config.PretrainConfig(steps=80, learning_rate=1e-2, warmup_steps=5),
        writers.MemoryWriter(),
    )
    params = steps.trained_params(state)
    return objective.export_params(params), np.asarray(trainer.biases(params))


@pytest.mark.slow
def test_ranks_the_strength_of_noise(trained):
    waveform, strength, _ = NoisyTones().draw(99_999, 64, 12_000)
    opinion = np.asarray(adapter.make_estimator(SIZES).opinion(trained[0], waveform))
    assert scipy.stats.spearmanr(opinion, -strength).statistic > 0.8
    assert opinion.min() >= 1
    assert opinion.max() <= 5


@pytest.mark.slow
def test_finds_the_strict_rater(trained):
    bias = trained[1]
    assert bias.sum() == pytest.approx(0, abs=1e-5)
    assert bias.argmin() == 0
    assert bias[0] < bias[1:].max() - 0.5


def test_level_does_not_matter():
    waveform, _, _ = NoisyTones().draw(7, 8)
    estimator = adapter.make_estimator(SIZES)
    params = jax.jit(lambda key: network.init_params(SIZES, key))(jax.random.key(0))
    loud = estimator.opinion(params, waveform)
    soft = estimator.opinion(params, 0.3 * waveform)
    np.testing.assert_allclose(loud, soft, atol=1e-3)
    assert np.ptp(loud) > 0.01


def test_rater_bias_can_be_left_out():
    trainer = objective.QualityObjective(config=SIZES, raters=2, rater_bias=False)
    params, _ = jax.jit(trainer.init)(jax.random.key(0))
    biased = dict(params) | {"rater_bias": jax.numpy.array([1.0, -1.0])}
    batch = NoisyTones().batch(0) | {"raters": np.zeros((16, 4), np.int32)}
    loss = jax.jit(trainer.loss)
    one, other = (
        loss(some, {}, batch, jax.random.key(1))[0] for some in (params, biased)
    )
    assert one == other


def test_rejects_short_clips():
    estimator = adapter.make_estimator(SIZES)
    with pytest.raises(errors.InputError, match=r"hears 0.25 s or more; got 0.20 s"):
        estimator.opinion({}, np.zeros((1, 3_200), np.float32))


def test_fits_the_reward():
    assert isinstance(adapter.make_estimator(SIZES), reward.OpinionEstimator)
