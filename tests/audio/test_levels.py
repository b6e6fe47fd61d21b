import numpy as np
import pytest

from musicrl_jax.audio import levels
from musicrl_jax.core import errors

RATE = 16_000
TONE = np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE).astype(np.float32)


@pytest.mark.parametrize("gain", [1.0, 0.1, 0.001])
def test_levels_of_a_sine(gain):
    decibels = 20 * np.log10(gain)
    assert levels.peak_dbfs(gain * TONE) == pytest.approx(decibels, abs=1e-3)
    assert levels.rms_dbfs(gain * TONE) == pytest.approx(decibels - 3.0103, abs=1e-3)


def test_digital_silence_has_the_floor():
    assert levels.rms_dbfs(np.zeros(10, np.float32)) == levels.FLOOR_DBFS
    assert levels.peak_dbfs(np.zeros(10, np.float32)) == levels.FLOOR_DBFS


def test_silence_is_counted_in_frames():
    clip = np.concatenate([TONE, np.zeros(3 * RATE, np.float32)])
    assert levels.silence_share(clip, RATE) == pytest.approx(0.75)


def test_silence_has_a_threshold():
    quiet = TONE * 10 ** (-50 / 20)
    assert levels.silence_share(quiet, RATE) == 0
    assert levels.silence_share(quiet, RATE, threshold_dbfs=-40.0) == 1


def test_a_clip_shorter_than_a_frame_is_refused():
    with pytest.raises(errors.InputError, match="800"):
        levels.silence_share(TONE[:799], RATE)


def test_clipping_counts_samples_at_full_scale():
    clip = np.clip(2 * TONE, -1, 1)
    outside = np.mean(np.abs(2 * TONE) >= 1)
    assert levels.clipping_share(clip) == pytest.approx(outside, abs=2e-4)
    assert levels.clipping_share(0.99 * TONE) == 0
