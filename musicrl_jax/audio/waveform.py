"""Audio files: reading to mono float32, writing 16-bit PCM or FLAC."""

import math
import pathlib

import numpy as np
import scipy.signal
import soundfile
from jaxtyping import Float

from musicrl_jax.core import errors


def read_audio(path: pathlib.Path, sample_rate_hz: int) -> Float[np.ndarray, " n"]:
    """Reads a file as mono float32 at `sample_rate_hz`.

    Channels are averaged; other rates are resampled with a polyphase filter.

    Raises:
      InputError: where the file is missing, empty or not audio, or samples of it are
        not finite.
    """
    try:
        channels, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise errors.InputError(
            f"{path} must be a readable audio file; {error}. Check the path and format."
        ) from error
    if not len(channels):
        raise errors.InputError(f"{path} has no samples. Leave it out.")
    if not np.isfinite(channels).all():
        raise errors.InputError(
            f"Samples must be finite; some of {path} are not. Leave it out."
        )
    return resample(channels.mean(axis=1), rate, sample_rate_hz)


def resample(
    waveform: Float[np.ndarray, " n"], from_hz: int, to_hz: int
) -> Float[np.ndarray, " n_out"]:
    """Returns the waveform at another sample rate, low-pass filtered."""
    if from_hz == to_hz:
        return np.asarray(waveform, np.float32)
    divisor = math.gcd(from_hz, to_hz)
    resampled = scipy.signal.resample_poly(
        waveform, to_hz // divisor, from_hz // divisor
    )
    return np.asarray(resampled, np.float32)


def write_wav(
    path: pathlib.Path, waveform: Float[np.ndarray, " n"], sample_rate_hz: int
) -> None:
    """Writes 16-bit PCM; the container follows the suffix (.wav, .flac).

    Samples outside [-1, 1] are clipped.

    Raises:
      InputError: for samples that are not finite.
    """
    if not np.isfinite(waveform).all():
        raise errors.InputError(
            f"Samples written to {path} must be finite; some are not. Look for their "
            "origin in what made the waveform."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    pcm = np.round(np.clip(waveform, -1, 1) * 32_767).astype(np.int16)
    soundfile.write(path, pcm, sample_rate_hz, subtype="PCM_16")
