"""Length and rate of audio files, without decoding what need not be decoded."""

import dataclasses
import pathlib
import struct

import numpy as np
import soundfile

from musicrl_jax.core import errors

_TAIL = 4096  # samples decoded at the end of a file
_BLOCK = 65_536
_UNKNOWN_SIZES = range(0x7FFF_0000, 0x1_0000_0000)  # what streams say; 0 as well
_SLACK = 1024  # bytes; some programs count the header as samples
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

    The last samples are decoded, so that a compressed file that was cut off is found; a
    WAV file must be as long as its data chunk says, unless it is a stream's, which does
    not know. Of AIFF, AU, W64 and RF64 what is left of a file counts as the whole.
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
    if file.format in {"WAV", "WAVEX"} and _missing_bytes(path) > _SLACK:
        raise _too_short(path, "its header says")
    if file.subtype in _FLOAT_SUBTYPES:
        blocks = file.blocks(_BLOCK, dtype="float32")
        if not all(np.isfinite(block).all() for block in blocks):
            raise errors.InputError(
                f"Samples must be finite; some of {path} are not. Leave it out."
            )
        return header
    file.seek(max(0, file.frames - _TAIL))
    if not len(file.read(_TAIL, dtype="float32")):
        raise _too_short(path, f"its header says, {header.duration_seconds:.1f} s")
    return header


def _too_short(path: pathlib.Path, length: str) -> errors.InputError:
    return errors.InputError(
        f"{path} must be as long as {length}; it ends before. Copy it again."
    )


def _missing_bytes(path: pathlib.Path) -> int:
    """Returns how many bytes of a WAV file's samples are not there.

    libsndfile takes what is left of a file that was cut off for the whole.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        order = ">" if file.read(12).startswith(b"RIFX") else "<"
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack(f"{order}4sI", head)
            if name == b"data":
                known = length and length not in _UNKNOWN_SIZES
                return file.tell() + length - size if known else 0
            file.seek(length + length % 2, 1)  # chunks begin at even places
    return 0
