"""Where crops are cut from: clips in memory, or files that are read when needed.

Both give the same 16-bit samples, so that the size of a corpus changes no result.
"""

import concurrent.futures
import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int16

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest

_FULL_SCALE = 32_767


@runtime_checkable
class ClipSource(Protocol):
    """Numbered clips; several threads may read."""

    def __len__(self) -> int:
        """Returns the number of clips, unreadable ones among them."""
        ...

    def part(
        self, clip: int, place: float, length: int
    ) -> tuple[int, Int16[np.ndarray, " _"]]:
        """Returns where a part of a clip begins, and its samples.

        Args:
          clip: its number.
          place: of the part among all places in the clip, 0 to 1 (exclusive).
          length: samples; a clip that is shorter is returned whole.

        Raises:
          InputError: where the clip cannot be read.
        """
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipsInMemory:
    """Waveforms, and the reasons why some could not be read.

    Attributes:
      clips: 16-bit integers (1,500 clips of 30 s at 16 kHz take 1.4 GB), or what is
        wrong with the clip.
    """

    clips: Sequence[Int16[np.ndarray, " _"] | str]

    def __len__(self) -> int:
        return len(self.clips)

    def part(
        self, clip: int, place: float, length: int
    ) -> tuple[int, Int16[np.ndarray, " _"]]:
        """Cuts a part out of a clip; see `ClipSource`."""
        samples = self.clips[clip]
        if isinstance(samples, str):
            raise errors.InputError(samples)
        start = _start(place, len(samples), length)
        return start, samples[start : start + length]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipFiles:
    """Audio files, of which no more is decoded than a part needs.

    Attributes:
      paths: of the clips.
      sample_rate_hz: that parts are resampled to.
    """

    paths: Sequence[str]
    sample_rate_hz: int

    def __len__(self) -> int:
        return len(self.paths)

    def part(
        self, clip: int, place: float, length: int
    ) -> tuple[int, Int16[np.ndarray, " _"]]:
        """Reads a part of a file; see `ClipSource`."""
        path, rate = pathlib.Path(self.paths[clip]), self.sample_rate_hz
        with waveform.open_audio(path) as file:
            whole = waveform.resampled_length(file.frames, file.samplerate, rate)
            start = _start(place, whole, length)
            part = waveform.read_open(path, file, rate, start, length)
        return start, to_integers(part)


def load(
    rows: Sequence[manifest.ClipRow],
    sample_rate_hz: int,
    progress: Callable[[int, int], None] | None = None,
) -> ClipsInMemory:
    """Reads all clips; one that cannot be read is reported when it is asked for.

    Args:
      rows: the clips.
      sample_rate_hz: that they are resampled to.
      progress: called with (clips done, clips in all).
    """

    def read(path: str) -> Int16[np.ndarray, " n"] | str:
        try:
            samples = waveform.read_audio(pathlib.Path(path), sample_rate_hz)
        except errors.InputError as error:
            return str(error)
        return to_integers(samples)

    clips = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for clip in pool.map(read, [row.path for row in rows]):
            clips.append(clip)
            if progress is not None:
                progress(len(clips), len(rows))
    return ClipsInMemory(clips=clips)


def to_float(samples: Int16[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns 16-bit samples as float32 in [-1, 1]."""
    return samples.astype(np.float32) / _FULL_SCALE


def to_integers(samples: Float[np.ndarray, " n"]) -> Int16[np.ndarray, " n"]:
    """Returns samples as 16-bit integers, cut off beyond [-1, 1]."""
    return np.round(np.clip(samples, -1, 1) * _FULL_SCALE).astype(np.int16)


def _start(place: float, samples: int, length: int) -> int:
    return int(place * (max(0, samples - length) + 1))
