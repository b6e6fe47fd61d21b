"""Audio files: reading to mono float32, writing 16-bit PCM or FLAC."""

import contextlib
import io
import math
import pathlib
from collections.abc import Iterator

import numpy as np
import scipy.signal
import soundfile
from jaxtyping import Float

from musicrl_jax.core import errors

_HALF_TAPS = 10  # of scipy's filter, in samples of the lower rate
_LEAD = 8192  # samples that a decoder needs to be right again after a jump


def read_audio(path: pathlib.Path, sample_rate_hz: int) -> Float[np.ndarray, " n"]:
    """Reads a file as mono float32 at `sample_rate_hz`.

    Channels are averaged; other rates are resampled with a polyphase filter.

    Raises:
      InputError: where the file is missing, empty, cut off or not audio, or samples of
        it are not finite, also after mixing and resampling. A WAV file that was cut off
        is read as far as it goes; `headers.read_header` refuses it.
    """
    with open_audio(path) as file:
        return _resampled(path, file, sample_rate_hz, 0, file.frames)


def read_part(
    path: pathlib.Path, sample_rate_hz: int, start: int, length: int
) -> Float[np.ndarray, " n"]:
    """Returns samples `start` to `start + length` of what `read_audio` gives.

    Only what these samples depend on is decoded. Fewer come back where the file ends.

    Raises:
      InputError: as `read_audio`, for this part of the file.
    """
    with open_audio(path) as file:
        return read_open(path, file, sample_rate_hz, start, length)


@contextlib.contextmanager
def open_audio(path: pathlib.Path) -> Iterator[soundfile.SoundFile]:
    """Opens a file that has samples.

    Raises:
      InputError: where the file is missing, empty or not audio, or what is done with it
        meets damage.
    """
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames < 1:
                raise errors.InputError(f"{path} has no samples. Leave it out.")
            yield file
    # soundfile raises TypeError for suffixes of formats without a header.
    except (OSError, TypeError, soundfile.SoundFileError) as error:
        reason = str(error).rstrip(".")
        raise errors.InputError(
            f"{path} must be a readable audio file; {reason}. Check path and format."
        ) from error


def read_open(
    path: pathlib.Path,
    file: soundfile.SoundFile,
    sample_rate_hz: int,
    start: int,
    length: int,
) -> Float[np.ndarray, " n"]:
    """Does the work of `read_part` on an open file; `path` is for messages."""
    up, down = _ratio(file.samplerate, sample_rate_hz)
    # The filter's reach in samples of the file; it starts on a multiple of `down`, at
    # which a sample of the file and one of the result are at the same time.
    reach = _HALF_TAPS * max(up, down) // up + 1
    first = max(0, start * down // up - reach) // down * down
    last = min(file.frames, -(-(start + length) * down // up) + reach)
    if first >= last:
        return np.zeros(0, np.float32)
    part = _resampled(path, file, sample_rate_hz, first, last)
    skipped = start - first // down * up
    return part[skipped : skipped + length]


def resampled_length(frames: int, from_hz: int, to_hz: int) -> int:
    """Returns how many samples `resample` makes of `frames`."""
    up, down = _ratio(from_hz, to_hz)
    return -(-frames * up // down)


def resample(
    waveform: Float[np.ndarray, " n"], from_hz: int, to_hz: int
) -> Float[np.ndarray, " n_out"]:
    """Returns the waveform at another sample rate, low-pass filtered."""
    if from_hz == to_hz:
        return np.asarray(waveform, np.float32)
    resampled = scipy.signal.resample_poly(waveform, *_ratio(from_hz, to_hz))
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


def flac_bytes(waveform: Float[np.ndarray, " n"], sample_rate_hz: int) -> bytes:
    """Returns a 16-bit FLAC file; samples outside [-1, 1] are clipped."""
    buffer = io.BytesIO()
    pcm = np.round(np.clip(waveform, -1, 1) * 32_767).astype(np.int16)
    soundfile.write(buffer, pcm, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _ratio(from_hz: int, to_hz: int) -> tuple[int, int]:
    """Returns by how much to stretch and then to thin out."""
    divisor = math.gcd(from_hz, to_hz)
    return to_hz // divisor, from_hz // divisor


def _resampled(
    path: pathlib.Path,
    file: soundfile.SoundFile,
    sample_rate_hz: int,
    first: int,
    last: int,
) -> Float[np.ndarray, " n"]:
    """Returns samples `first` to `last` of the file, mixed and resampled."""
    mono = _mono(path, file, first, last)
    samples = resample(mono, file.samplerate, sample_rate_hz)
    _check_finite(path, samples)
    return samples


def _mono(
    path: pathlib.Path, file: soundfile.SoundFile, first: int, last: int
) -> Float[np.ndarray, " n"]:
    """Decodes samples `first` to `last` of each channel and averages the channels."""
    lead = _lead(file, first)
    file.seek(first - lead)
    channels = file.read(last - first + lead, dtype="float32", always_2d=True)[lead:]
    if len(channels) < last - first:
        raise errors.InputError(
            f"{path} must have the {file.frames} samples that its header says; it "
            f"ends after {first + len(channels)}. Copy it again."
        )
    _check_finite(path, channels)
    with np.errstate(over="ignore", invalid="ignore"):  # it is checked afterwards
        return channels.mean(axis=1)


def _check_finite(path: pathlib.Path, samples: Float[np.ndarray, "..."]) -> None:
    if not np.isfinite(samples).all():
        raise errors.InputError(
            f"Samples must be finite; some of {path} are not. Leave it out."
        )


def _lead(file: soundfile.SoundFile, first: int) -> int:
    """Returns how many samples before `first` decoding has to begin.

    In Vorbis, libsndfile 1.2 jumps to a wrong place near the end of a file, so the file
    is decoded from its beginning; what is compressed without loss needs nothing.
    """
    if file.subtype == "VORBIS":
        return first
    return min(first, _LEAD) if file.format in {"OGG", "MPEG", "MP3"} else 0
