"""Each quality against its closed form, and on sounds that have it or lack it."""

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.synthesis import musicality

RATE = 16_000
SECONDS = 5
SAMPLES = RATE * SECONDS
MAJOR = np.array([60, 62, 64, 65, 67, 69, 71, 72])


def measured(samples, gain=0.1):
    clip = (gain * np.asarray(samples)).astype(np.float32)
    found = musicality.measure(clip[None], RATE)
    return {name: float(values[0]) for name, values in found.items()}


def clicks(times):
    random = np.random.default_rng(0)
    burst = np.exp(-np.arange(800) / 150) * random.standard_normal(800)
    samples = np.zeros(SAMPLES + RATE)
    for time in times:
        start = round(time * RATE)
        samples[start : start + 800] += burst
    return samples[:SAMPLES]


def notes(pitches, seconds=0.25):
    size = round(seconds * RATE)
    place = np.arange(size)
    edges = np.minimum(1, np.minimum(place, size - place) / 400)
    frequencies = 440 * 2 ** ((np.asarray(pitches, float) - 69) / 12)
    phases = 2 * np.pi * frequencies[:, None] * place / RATE
    tones = np.sin(phases) + 0.4 * np.sin(2 * phases) + 0.2 * np.sin(3 * phases)
    return (edges * tones).ravel()[:SAMPLES]


def envelope_of(period, length=500):
    return 10.0 * (np.arange(length) % period == period // 2)


def test_autocorrelation_is_that_of_the_definition():
    random = np.random.default_rng(1)
    envelope = random.gamma(1.0, 1.0, 500)
    found = musicality.rhythmic_regularity(envelope, 100)
    padded = np.pad(envelope, 50, mode="edge")
    trend = np.array([padded[t : t + 101].mean() for t in range(500)])
    moves = envelope - trend
    best = max(
        (moves[:-k] @ moves[k:])
        / np.sqrt((moves[:-k] @ moves[:-k]) * (moves[k:] @ moves[k:]))
        for k in range(20, 151)
    )
    variance = moves.var()
    weight = variance / (variance + musicality.ONSET_FLOOR**2)
    assert found == pytest.approx(weight * best, rel=1e-5)


def test_periodic_onsets_are_regular_and_random_ones_are_not():
    random = np.random.default_rng(2)
    assert musicality.rhythmic_regularity(envelope_of(50), 100) > 0.95
    # Of 131 correlations of 400 frames or so the largest is near 3 / sqrt(400).
    shuffled = random.permutation(envelope_of(50))
    assert musicality.rhythmic_regularity(shuffled, 100) < 0.5
    assert musicality.rhythmic_regularity(np.zeros(500), 100) == 0
    assert musicality.rhythmic_regularity(np.linspace(0, 1, 500), 100) < 0.05


def test_regularity_falls_as_clicks_leave_the_grid():
    random = np.random.default_rng(3)
    grid = np.arange(0.1, SECONDS - 0.2, 0.5)
    spread = random.uniform(-1, 1, len(grid))
    found = [
        measured(clicks(grid + width * spread))["rhythm"] for width in (0, 0.03, 0.2)
    ]
    assert found[0] > 0.9
    assert found[0] > found[1] + 0.1
    assert found[1] > found[2] + 0.1


def test_share_of_the_best_scale_becomes_zero_to_one():
    scale = np.roll(musicality.MAJOR, 4).astype(float)
    inside = np.tile(scale / 7, (9, 1))
    flat = np.full((9, 12), 1 / 12)
    assert musicality.tonal_consistency(inside) == pytest.approx(1)
    assert musicality.tonal_consistency(flat) == pytest.approx(0, abs=1e-6)
    half = 0.5 * inside + 0.5 * flat
    assert musicality.tonal_consistency(half) == pytest.approx(0.5)
    assert musicality.tonal_consistency(np.zeros((9, 12))) == 0
    # Six fifths away five of the notes are others: 12 of 14 notes are flat.
    away = np.tile(np.roll(musicality.MAJOR, 10) / 7.0, (9, 1))
    assert musicality.tonal_consistency(np.concatenate([inside, away])) < 0.5


@pytest.mark.parametrize("midi", range(46, 92, 5))
def test_a_tone_is_heard_as_its_pitch_class(midi):
    tone = np.sin(2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * np.arange(RATE) / RATE)
    found = musicality.chroma(tone.astype(np.float32), RATE).sum(axis=0)
    assert np.argmax(found) == (midi - 69) % 12
    assert found.max() > 0.95 * found.sum()


def test_noise_has_no_pitch_class():
    noise = np.random.default_rng(4).standard_normal(20 * RATE).astype(np.float32)
    found = musicality.chroma(noise, RATE).mean(axis=0)
    np.testing.assert_allclose(found / found.mean(), 1, atol=0.15)


def test_a_scale_is_tonal_and_random_pitches_are_not():
    random = np.random.default_rng(5)
    scale = measured(notes(random.choice(MAJOR, 20)))
    astray = measured(notes(random.uniform(48, 84, 20)))
    assert scale["tonality"] > 0.9
    assert astray["tonality"] < 0.6


def test_variation_is_the_law_of_novelty():
    frame = musicality.NOVELTY_SECONDS / 4
    one, other = np.eye(12)[0], np.eye(12)[3]
    static = np.tile(one, (40, 1))
    assert musicality.variation(static, frame) == pytest.approx(0, abs=1e-6)
    # Each half second shares an angle of cosine 0.8 with all before: novelty 0.2.
    turned = 0.8 * one + 0.6 * other
    tones = np.concatenate([np.tile(one, (4, 1)), np.tile(turned, (4, 1))])
    assert musicality.variation(tones, frame) == pytest.approx(1.0, rel=1e-6)
    # Nothing in common: novelty 1, five times that of music.
    tones = np.concatenate([np.tile(one, (4, 1)), np.tile(other, (4, 1))])
    assert musicality.variation(tones, frame) == pytest.approx(5 * np.exp(-4))
    assert musicality.variation(tones[:5], frame) == 0


def test_melodies_vary_more_than_loops_and_less_than_random_pitches():
    random = np.random.default_rng(6)
    held = measured(notes([60], seconds=5))["variation"]
    loop = measured(notes(np.tile(MAJOR[[0, 2, 4, 2]], 5)))["variation"]
    melodies, astray = (
        np.mean([measured(notes(draw()))["variation"] for _ in range(8)])
        for draw in (
            lambda: np.repeat(random.choice(MAJOR[:5], 10), 2),
            lambda: random.uniform(48, 96, 20),
        )
    )
    assert held < 0.05
    assert loop < 0.2
    assert melodies > 0.8
    assert astray < melodies - 0.15


def test_range_of_a_steady_swell_is_eight_tenths_of_it():
    assert musicality.dynamic_range(np.linspace(-60, -30, 101)) == pytest.approx(24)
    assert musicality.dynamic_range(np.full(50, -20.0)) == 0
    mostly_silent = np.array([0.0] * 50 + [-200.0] * 50)
    assert musicality.dynamic_range(mostly_silent) == musicality.LOUDNESS_RANGE_DB


def test_loudness_is_the_level_in_decibels():
    tone = np.sin(2 * np.pi * 330 * np.arange(SAMPLES) / RATE)
    np.testing.assert_allclose(
        musicality.loudness_envelope(tone, RATE), -3.0103, atol=0.01
    )


def test_a_swell_is_dynamic_and_a_constant_tone_is_not():
    tone = np.sin(2 * np.pi * 330 * np.arange(SAMPLES) / RATE)
    swell = tone * 10 ** (np.linspace(-30, 0, SAMPLES) / 20)
    assert measured(tone)["dynamics"] < 0.1
    # The outer windows lie inside the clip: 4.6 of its 5 seconds count.
    assert measured(swell)["dynamics"] == pytest.approx(24 * 4.6 / 5, abs=0.5)


@pytest.mark.parametrize("gain", [0.05, 0.2])
def test_level_changes_nothing(gain):
    random = np.random.default_rng(7)
    sound = notes(random.choice(MAJOR, 20)) + 0.1 * random.standard_normal(SAMPLES)
    assert measured(sound, gain) == pytest.approx(measured(sound, 0.1), rel=1e-3)


def test_silence_and_broken_samples_give_numbers():
    clips = np.zeros((4, SAMPLES), np.float32)
    clips[1, 100] = 1.0
    clips[2] = np.nan
    clips[3] = np.random.default_rng(8).standard_normal(SAMPLES)
    clips[3, ::1000] = np.inf
    found = musicality.measure(clips, RATE)
    assert set(found) == set(musicality.NAMES)
    for values in found.values():
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert values[0] == values[2] == 0


def test_clips_do_not_see_each_other():
    random = np.random.default_rng(9)
    clips = random.standard_normal((3, 2 * RATE)).astype(np.float32)
    together = musicality.measure(clips, RATE)
    alone = musicality.measure(clips[1:2], RATE)
    for name in musicality.NAMES:
        assert together[name][1] == alone[name][0]


def test_short_clips_are_refused():
    with pytest.raises(errors.InputError, match="1 s or more"):
        musicality.measure(np.zeros((1, RATE - 1), np.float32), RATE)
