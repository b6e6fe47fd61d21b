"""Length and rate of audio files, without decoding what need not be decoded."""

import dataclasses
import pathlib

import numpy as np
import soundfile

from musicrl_jax.core import errors

_TAIL = 4096  # samples decoded at the end of a file
_BLOCK = 65_536
_FLOAT_SUBTYPES = frozenset({"FLOAT", "DOUBLE"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of itself.

    Attributes:
      duration_seconds: more than 0.
      sample_rate_hz: of the file, not of any network.
    """

    duration_seconds: float
    sample_rate_hz: int


def read_header(path: pathlib.Path) -> Header:
    """Reads a header and tries whether the samples that it promises are there.

    The last samples are decoded, so that a compressed file that was cut off is found.
    Files with floating-point samples, the only ones that can hold a NaN, are read
    whole. The content decides on the format, not the suffix.

    Raises:
      InputError: where the file is missing, not audio, empty, cut off, or has samples
        that are not finite.
    """
    try:
        with soundfile.SoundFile(path) as file:
            return _checked(path, file)
    # soundfile raises TypeError for suffixes of formats without a header.
    except (OSError, TypeError, soundfile.SoundFileError) as error:
        reason = str(error).rstrip(".")
        raise errors.InputError(
            f"{path} must be a readable audio file; {reason}. Check path and format."
        ) from error


def _checked(path: pathlib.Path, file: soundfile.SoundFile) -> Header:
    """Returns the header of an open file; InputError where the samples are not good."""
    if file.frames < 1:
        raise errors.InputError(f"{path} has no samples. Leave it out.")
    header = Header(
        duration_seconds=file.frames / file.samplerate,
        sample_rate_hz=file.samplerate,
    )
    if file.subtype in _FLOAT_SUBTYPES:
        blocks = file.blocks(_BLOCK, dtype="float32")
        if not all(np.isfinite(block).all() for block in blocks):
            raise errors.InputError(
                f"Samples must be finite; some of {path} are not. Leave it out."
            )
        return header
    file.seek(max(0, file.frames - _TAIL))
    if not len(file.read(_TAIL, dtype="float32")):
        raise errors.InputError(
            f"{path} must be as long as its header says, "
            f"{header.duration_seconds:.1f} s; it ends before. Copy it again."
        )
    return header
