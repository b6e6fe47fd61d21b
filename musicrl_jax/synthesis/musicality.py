"""Four musical qualities of a waveform, without networks.

    rhythm      how regular the onsets are                           0 to 1
    tonality    how well the pitches fit one scale                   0 to 1
    variation   how much is new: neither the same nor unrelated      0 to 1
    dynamics    how far the loudness spreads, in decibels            0 to 40

They are crude on purpose: closed forms of an envelope, a chroma, a self-similarity and
a level, which a simulated population has opinions on. None changes with the level of
the clip, and a silent clip has 0 of each. What they are worth to people nobody knows.
"""

import functools
from collections.abc import Mapping

import numpy as np
import scipy.fft
import scipy.ndimage
from jaxtyping import Float
from numpy.lib import stride_tricks

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors

NAMES = ("rhythm", "tonality", "variation", "dynamics")
SILENT = 1e-5  # root mean square below which a clip has no musical qualities
SHORTEST_SECONDS = 1.0

ONSET_RATE_HZ = 100
ONSET_WINDOW_SECONDS = 0.032
ONSET_BAND_EDGES_HZ = (0, 200, 400, 800, 1600, 3200, 6400, 12_800)
ONSET_SMOOTHING_FRAMES = 5
ONSET_TREND_SECONDS = 1.0
ONSET_FLOOR = 0.05
BEAT_SECONDS = (0.2, 1.5)

CHROMA_WINDOW_SECONDS = 0.256
CHROMA_HOP_SECONDS = 0.064
LOWEST_HZ, OCTAVES = 110.0, 4  # the notes A2 to A6
MAJOR = (1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1)

NOVELTY_SECONDS = 0.5
NOVELTY_OF_MUSIC = 0.2

LOUDNESS_WINDOW_SECONDS = 0.4
LOUDNESS_HOP_SECONDS = 0.1
LOUDNESS_RANGE_DB = 40.0


def measure(
    waveform: Float[np.ndarray, "b n"], sample_rate_hz: int
) -> Mapping[str, Float[np.ndarray, " b"]]:
    """Returns the qualities of clips by the names in `NAMES`, as float32.

    Args:
      waveform: clips in [-1, 1]; samples that are not finite count as silence.
      sample_rate_hz: of them.

    Raises:
      InputError: for clips shorter than `SHORTEST_SECONDS`.
    """
    if waveform.shape[1] < SHORTEST_SECONDS * sample_rate_hz:
        raise errors.InputError(
            f"Musical qualities need clips of {SHORTEST_SECONDS:g} s or more; got "
            f"{waveform.shape[1] / sample_rate_hz:g} s. Make longer clips."
        )
    found = np.zeros((len(waveform), len(NAMES)), np.float32)
    whole = np.nan_to_num(waveform, posinf=0.0, neginf=0.0).astype(np.float32)
    for clip, samples in enumerate(whole):
        level = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
        if level > SILENT:
            found[clip] = _qualities(samples / np.float32(level), sample_rate_hz)
    return dict(zip(NAMES, found.T, strict=True))


def _qualities(
    samples: Float[np.ndarray, " n"], rate: int
) -> tuple[float, float, float, float]:
    """Returns the qualities of a clip whose root mean square is 1."""
    tones = chroma(samples, rate)
    return (
        rhythmic_regularity(onset_envelope(samples, rate), ONSET_RATE_HZ),
        tonal_consistency(tones),
        variation(tones, CHROMA_HOP_SECONDS),
        dynamic_range(loudness_envelope(samples, rate)),
    )


def onset_envelope(
    samples: Float[np.ndarray, " n"], rate: int
) -> Float[np.ndarray, " t"]:
    """Returns how much louder each hundredth of a second is than the one before.

    The rises of seven octave bands' log magnitudes are added (spectral flux), smoothed
    over 50 ms. Sounds 40 dB below the clip's level hardly count.
    """
    power = _power(samples, round(ONSET_WINDOW_SECONDS * rate), rate // ONSET_RATE_HZ)
    edges = np.asarray(ONSET_BAND_EDGES_HZ) * ONSET_WINDOW_SECONDS
    edges = np.unique(np.minimum(edges.astype(int), power.shape[1] - 1))
    bands = np.add.reduceat(power, edges, axis=1)[:, : len(edges) - 1]
    # A window of 1 at level 1 holds power of about its length times the bins.
    bands = bands / (len(edges) * ONSET_WINDOW_SECONDS * rate)
    logs = np.log1p(1e4 * bands / np.mean(bands, axis=0).sum())
    rises = np.maximum(np.diff(logs, axis=0, prepend=logs[:1]), 0).mean(axis=1)
    weights = np.hanning(ONSET_SMOOTHING_FRAMES + 2)[1:-1]
    return scipy.ndimage.convolve1d(rises, weights / weights.sum(), mode="nearest")


def rhythmic_regularity(envelope: Float[np.ndarray, " t"], rate: int) -> float:
    """Returns the highest autocorrelation of an onset envelope at a beat's lag.

    A lag of k frames compares the envelope without its last k frames with the one
    without its first k: 1 where they are alike, about 0 for onsets at random. The
    mean of the second around is taken off before, so that a slow rise is no rhythm,
    and envelopes that hardly move (`ONSET_FLOOR`) are scaled down.
    """
    width = round(ONSET_TREND_SECONDS * rate) | 1
    moves = envelope - scipy.ndimage.uniform_filter1d(envelope, width, mode="nearest")
    size = len(moves)
    first, last = (round(seconds * rate) for seconds in BEAT_SECONDS)
    lags = np.arange(first, min(last, size // 2) + 1)
    # Twice the length keeps the end from meeting the beginning.
    spectrum = np.asarray(scipy.fft.rfft(moves, 2 * size))
    products = np.asarray(scipy.fft.irfft(np.abs(spectrum) ** 2, 2 * size))[lags]
    sums = np.concatenate([[0.0], np.cumsum(np.square(moves, dtype=np.float64))])
    scales = np.sqrt(sums[size - lags] * (sums[size] - sums[lags]))
    if not np.all(scales > 0):
        return 0.0
    spread = moves.std()
    weight = spread**2 / (spread**2 + ONSET_FLOOR**2)
    return float(weight * np.clip(np.max(products / scales), 0, 1))


def chroma(samples: Float[np.ndarray, " n"], rate: int) -> Float[np.ndarray, "t c"]:
    """Returns the strength of the 12 pitch classes, A first, every 64 ms.

    The strength of a class is the magnitude of the spectral peaks within half a
    semitone of it over four octaves, each divided by its frequency: so noise, which has
    peaks everywhere, has all classes alike.
    """
    window = round(CHROMA_WINDOW_SECONDS * rate)
    power = _power(samples, window, round(CHROMA_HOP_SECONDS * rate))
    first, filters = _pitch_classes(window, rate)
    inner = power[:, first : first + len(filters)]
    left = power[:, first - 1 : first - 1 + len(filters)]
    right = power[:, first + 1 : first + 1 + len(filters)]
    peaks = np.where((inner > left) & (inner >= right), np.sqrt(inner), 0)
    return peaks @ filters


def tonal_consistency(tones: Float[np.ndarray, "t c"]) -> float:
    """Returns how much of the chroma lies in the seven notes of the best scale.

    0 where the twelve classes are alike (7/12 of the whole), 1 where nothing lies
    outside. As one scale must do for the whole clip, changing keys costs.
    """
    total = tones.sum(axis=0)
    if total.sum() <= 0:
        return 0.0
    scales = np.stack([np.roll(MAJOR, shift) for shift in range(len(MAJOR))])
    share = np.max(scales @ total) / total.sum()
    flat = sum(MAJOR) / len(MAJOR)
    return float(np.clip((share - flat) / (1 - flat), 0, 1))


def variation(tones: Float[np.ndarray, "t c"], frame_seconds: float) -> float:
    """Returns how new each half second is, compared with all that came before it.

    Novelty is 1 minus the cosine of a half second's chroma with the most similar one
    before it, averaged over the clip. It is 0 for a loop once it repeats, and near 1
    where no two parts have a note in common. The score is `x exp(1 - x)`, where x is
    novelty over `NOVELTY_OF_MUSIC`: 0 for the static, 1 at the novelty of music, and
    small again for what is new all the time.
    """
    size = max(1, round(NOVELTY_SECONDS / frame_seconds))
    if len(tones) < 2 * size or not tones.any():
        return 0.0
    parts = stride_tricks.sliding_window_view(tones, size, axis=0).mean(axis=-1)
    norms = np.linalg.norm(parts, axis=1, keepdims=True)
    parts = parts / np.maximum(norms, 1e-3 * norms.max())
    likeness = parts @ parts.T
    places = np.arange(len(parts))
    before = places[None, :] <= places[:, None] - size
    best = np.where(before, likeness, -1.0).max(axis=1)[size:]
    relative = np.mean(np.clip(1 - best, 0, 1)) / NOVELTY_OF_MUSIC
    return float(relative * np.exp(1 - relative))


def loudness_envelope(
    samples: Float[np.ndarray, " n"], rate: int
) -> Float[np.ndarray, " t"]:
    """Returns the level of each 0.4 s in decibels, ten times a second."""
    hop = round(LOUDNESS_HOP_SECONDS * rate)
    blocks = round(LOUDNESS_WINDOW_SECONDS / LOUDNESS_HOP_SECONDS)
    whole = samples[: len(samples) // hop * hop].reshape(-1, hop)
    power = np.mean(np.square(whole, dtype=np.float64), axis=1)
    mean = stride_tricks.sliding_window_view(power, blocks).mean(axis=-1)
    return 10 * np.log10(np.maximum(mean, 1e-20))


def dynamic_range(loudness: Float[np.ndarray, " t"]) -> float:
    """Returns the decibels between the tenth and the ninetieth percentile of levels.

    Levels more than 40 dB below the loudest one count as 40 dB below.
    """
    held = np.maximum(loudness, loudness.max() - LOUDNESS_RANGE_DB)
    low, high = np.percentile(held, (10, 90))
    return float(high - low)


def _power(
    samples: Float[np.ndarray, " n"], window: int, hop: int
) -> Float[np.ndarray, "t bins"]:
    """Returns power spectra of Hann-windowed frames, the first at sample 0."""
    frames = stride_tricks.sliding_window_view(samples, window)[::hop]
    shape = spectrogram.hann(window).astype(np.float32)
    spectra = np.asarray(scipy.fft.rfft(frames * shape[None], axis=1))
    return np.square(np.real(spectra)) + np.square(np.imag(spectra))


@functools.cache
def _pitch_classes(window: int, rate: int) -> tuple[int, Float[np.ndarray, "bins c"]]:
    """Returns the first bin of the octaves, and each bin's weight in its class."""
    frequencies = np.arange(window // 2 + 1) * rate / window
    semitones = 12 * np.log2(np.maximum(frequencies, 1e-6) / LOWEST_HZ)
    chosen = (semitones >= -0.5) & (semitones < 12 * OCTAVES - 0.5)
    chosen[[0, -1]] = False  # a peak has neighbours
    classes = np.round(semitones[chosen]).astype(int) % 12
    filters = np.zeros((chosen.sum(), 12), np.float32)
    filters[np.arange(len(classes)), classes] = LOWEST_HZ / frequencies[chosen]
    return int(np.argmax(chosen)), filters
