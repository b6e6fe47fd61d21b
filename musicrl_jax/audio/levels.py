"""Loudness, silence and clipping of a waveform, in dBFS (0 = full scale)."""

import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors

FLOOR_DBFS = -120.0
FULL_SCALE = 32_766 / 32_767
"""Samples of at least this magnitude are the outermost two codes of 16-bit PCM."""


def rms_dbfs(waveform: Float[np.ndarray, " n"]) -> float:
    """Returns the root mean square level; a full-scale sine has -3.01 dBFS."""
    return _decibels(_rms(waveform[None, :])[0])


def peak_dbfs(waveform: Float[np.ndarray, " n"]) -> float:
    """Returns the largest magnitude."""
    return _decibels(float(np.abs(waveform).max(initial=0)))


def silence_share(
    waveform: Float[np.ndarray, " n"],
    sample_rate_hz: int,
    *,
    threshold_dbfs: float = -60.0,
    frame_seconds: float = 0.05,
) -> float:
    """Returns the share of frames whose RMS lies below a threshold.

    Frames of 50 ms follow one another without overlap; samples after the last whole
    frame are left out.

    Raises:
      InputError: for a waveform shorter than a frame.
    """
    size = round(frame_seconds * sample_rate_hz)
    frames = len(waveform) // size
    if not frames:
        raise errors.InputError(
            f"silence_share needs at least {size} samples; got {len(waveform)}. "
            "Give a longer clip."
        )
    levels = _rms(waveform[: frames * size].reshape(frames, size))
    return float(np.mean(levels < 10 ** (threshold_dbfs / 20)))


def clipping_share(waveform: Float[np.ndarray, " n"]) -> float:
    """Returns the share of samples at full scale or beyond."""
    return float(np.mean(np.abs(waveform) >= FULL_SCALE)) if len(waveform) else 0.0


def _rms(frames: Float[np.ndarray, "frames n"]) -> Float[np.ndarray, " frames"]:
    return np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=-1))


def _decibels(magnitude: float) -> float:
    return max(FLOOR_DBFS, 20 * float(np.log10(max(magnitude, 1e-12))))
