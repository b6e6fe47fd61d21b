"""The judge learns what it is shown, and is deaf to level; labels and their numbers."""

import jax
import numpy as np
import pytest

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors, writers
from musicrl_jax.models.attributes import adapter, config, objective
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop
from musicrl_jax.pretraining import step as steps

SIZES = config.AttributesConfig(
    heads=(
        config.Head(name="pitch", labels=("low", "high")),
        config.Head(name="pulse", labels=("steady", "beating")),
    ),
    fft_size=512,
    hop=400,
    num_mels=16,
    channels=(8,),
    width=16,
    kernel=3,
)


class Tones:
    """Low or high tones, steady or beating, in noise."""

    def __init__(self, judge_clips=16, samples=8_000):
        self.clips = judge_clips
        self.samples = samples

    def draw(self, seed):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, (self.clips, 2)).astype(np.int32)
        seconds = np.arange(self.samples) / 16_000
        hertz = np.where(labels[:, :1], 3_000, 300) * rng.uniform(0.8, 1.25)
        beat = np.where(labels[:, 1:], np.sin(2 * np.pi * 6 * seconds) > 0, 1.0)
        tone = 0.3 * np.sin(2 * np.pi * hertz * seconds[None]) * beat
        noise = 0.005 * rng.normal(size=tone.shape)
        return (tone + noise).astype(np.float32), labels

    def batch(self, step):
        waveform, labels = self.draw(step)
        mel = spectrogram.log_mel(jax.numpy.asarray(waveform), SIZES.mel)
        return {"mel": np.asarray(mel, np.float16), "labels": labels}


@pytest.fixture(scope="module")
def trained():
    state = loop.train(
        objective.AttributesObjective(config=SIZES),
        Tones(),
        pretrain_config.PretrainConfig(steps=60, learning_rate=1e-2, warmup_steps=5),
        writers.MemoryWriter(),
    )
    return steps.trained_params(state)


def test_hears_pitch_and_pulse(trained):
    waveform, labels = Tones(64, 12_000).draw(99_999)
    heard = adapter.make_judge(SIZES).judge(trained, waveform)
    for column, head in enumerate(SIZES.heads):
        truth = [head.labels[number] for number in labels[:, column]]
        right = np.mean([a == b for a, b in zip(heard[head.name], truth, strict=True)])
        assert right > 0.9, head.name


def test_level_does_not_matter(trained):
    waveform, _ = Tones(4).draw(7)
    judge = adapter.make_judge(SIZES)
    loud = judge.log_probabilities(trained, waveform)
    soft = judge.log_probabilities(trained, 0.5 * waveform)
    # The noise floor of the spectrogram is the one thing that a gain moves.
    np.testing.assert_allclose(loud["pitch"], soft["pitch"], atol=0.05)


def test_probabilities_sum_to_one(trained):
    waveform, _ = Tones(3).draw(8)
    scores = adapter.make_judge(SIZES).log_probabilities(trained, waveform)
    for values in scores.values():
        np.testing.assert_allclose(np.exp(values).sum(-1), 1.0, rtol=1e-5)


def test_disturbing_keeps_the_size_and_hides_a_bounded_part():
    calm = objective.AttributesObjective(config=SIZES, tilt=0.0, noise=0.0, hidden=0.25)
    rng = np.random.default_rng(0)
    mel = jax.numpy.asarray(rng.normal(size=(40, 32, 16)), np.float32)
    out = jax.jit(calm.disturbed)(jax.random.key(1), mel)
    changed = np.asarray(out != mel)
    hidden_bands = changed.all(1).sum(1)
    hidden_frames = changed.all(2).sum(1)
    assert hidden_bands.max() <= 4
    assert hidden_frames.max() <= 8
    assert hidden_bands.max() > 0
    assert hidden_frames.max() > 0


def test_label_numbers():
    rows = [{"pitch": "high", "genre": "tango"}, {"pulse": "steady"}, {}]
    np.testing.assert_array_equal(
        adapter.label_ids(SIZES, rows), [[1, -1], [-1, 0], [-1, -1]]
    )
    with pytest.raises(errors.InputError, match="no pitch 'middle'; it has low, high"):
        adapter.label_ids(SIZES, [{"pitch": "middle"}])
