"""Each fault obeys its law, keeps the level, and follows from its seed."""

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from musicrl_jax.core import errors
from musicrl_jax.synthesis import degradations

RATE = 16_000
STRENGTHS = strategies.floats(0.05, 1.0)
KINDS = degradations.SIGNAL_KINDS


def music(seconds=2.0, seed=0):
    """Tones and noise over the whole band, with a decaying envelope."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = random.uniform(80, 7_500, 30)
    tones = np.sin(2 * np.pi * hertz[:, None] * time[None]).sum(0)
    sound = tones * np.exp(-np.mod(time, 0.5)) + random.normal(0, 0.3, len(time))
    return (0.1 * sound / sound.std()).astype(np.float32)


def rms(x):
    return np.sqrt(np.mean(np.square(x, dtype=np.float64)))


def raw(kind, strength, seed=3):
    clip = music().astype(np.float64)
    random = np.random.default_rng(seed)
    return clip, KINDS[kind](clip, RATE, strength, random)


@hypothesis.given(strength=STRENGTHS)
def test_noise_has_the_ratio_of_its_strength(strength):
    clip, made = raw("noise", strength)
    decibels = 20 * np.log10(rms(clip) / rms(made - clip))
    np.testing.assert_allclose(decibels, 45 - 45 * strength, atol=1e-6)


@hypothesis.given(strength=STRENGTHS)
def test_clipping_flattens_the_share_of_its_strength(strength):
    clip, made = raw("clipping", strength)
    share = 10 ** (2.5 * strength - 3)
    ceiling = np.abs(made).max()
    assert np.mean(np.abs(made) >= ceiling) == pytest.approx(share, abs=2 / len(clip))
    inside = np.abs(made) < ceiling
    np.testing.assert_array_equal(made[inside], clip[inside])


@hypothesis.given(strength=STRENGTHS)
def test_band_limit_leaves_nothing_above_its_frequency_and_all_well_below(strength):
    clip, made = raw("band_limit", strength)
    hertz = np.fft.rfftfreq(len(clip), 1 / RATE)
    before, after = np.abs(np.fft.rfft(clip)), np.abs(np.fft.rfft(made))
    cut_off = 8_000 / 16**strength
    above, below = hertz >= cut_off, hertz < 0.9 * cut_off
    assert np.sum(after[above] ** 2) < 1e-18 * np.sum(before[above] ** 2)
    np.testing.assert_allclose(after[below], before[below], rtol=1e-6, atol=1e-9)


@hypothesis.given(strength=STRENGTHS)
def test_drop_outs_silence_the_share_of_their_strength(strength):
    clip, made = raw("drop_outs", strength)
    silent = made == 0
    gaps = np.sum(np.diff(silent.astype(int)) == 1) + silent[0]
    share = 0.4 * strength
    assert np.mean(silent) == pytest.approx(share, abs=(gaps + 1) / len(clip))
    np.testing.assert_array_equal(made[~silent], clip[~silent])
    assert gaps >= share * len(clip) / (0.121 * RATE) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_everything_and_the_level_stays(kind):
    clip = music()
    for strength in (0.2, 0.9):
        made, again, other = (
            degradations.degrade(KINDS[kind], clip, RATE, strength, seed)
            for seed in ((1, 2), (1, 2), (1, 3))
        )
        np.testing.assert_array_equal(made, again)
        random = kind in ("noise", "drop_outs")
        assert (made != other).any() == random
        assert made.dtype == np.float32
        assert np.abs(made).max() <= 1
        assert rms(made) == pytest.approx(rms(clip), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_more_strength_is_more_distance(kind):
    clip = music()
    distances = [
        rms(degradations.degrade(KINDS[kind], clip, RATE, strength, (5,)) - clip)
        for strength in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert distances[0] == 0
    assert np.all(np.diff(distances) > 0)


def test_codec_levels_fall_with_strength():
    kept = []

    def reconstruct(waveform, levels):
        kept.append(levels)
        return waveform[:-100]

    codec = degradations.CodecArtefacts(reconstruct=reconstruct, levels=4)
    clip = music()
    # Of 4 levels, l stay at strength 1 - log(l) / log(8).
    strengths = [1 - math.log(levels, 8) for levels in (4, 3, 2, 1)]
    for strength in (0.01, *strengths):
        made = degradations.degrade(codec, clip, RATE, strength, (0,))
        assert len(made) == len(clip)
        assert not made[-100:].any()
    assert kept == [4, 4, 3, 2, 1]
    drawn = codec.strengths(8, np.random.default_rng(0))
    np.testing.assert_allclose(sorted(set(drawn)), strengths)


@hypothesis.given(count=strategies.integers(1, 9), seed=strategies.integers(0, 99))
def test_strengths_are_spread_over_the_range(count, seed):
    drawn = KINDS["noise"].strengths(count, np.random.default_rng(seed))
    assert [int(np.ceil(strength * count)) for strength in drawn] == [
        *range(1, count + 1)
    ]


def test_rejects_strengths_beyond_one_and_silence():
    with pytest.raises(errors.InputError, match=r"\[0, 1\]; got 1.5"):
        degradations.degrade(KINDS["noise"], music(), RATE, 1.5, (0,))
    with pytest.raises(errors.InputError, match="silence"):
        degradations.degrade(KINDS["noise"], 0 * music(), RATE, 0.5, (0,))
