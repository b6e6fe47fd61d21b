"""Random crops of a corpus of any size, as a pure function of the step."""

import concurrent.futures
import dataclasses
import logging
import pathlib
import threading
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int16

from musicrl_jax.core import errors
from musicrl_jax.data import clip_sources, manifest
from musicrl_jax.data.readers import items

_LOG = logging.getLogger(__name__)

_Crop = tuple[int, int, Int16[np.ndarray, " _"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropConfig:
    """What a batch is made of, and how it is read.

    Attributes:
      crop: samples of a crop; shorter clips are padded with silence.
      batch_size: crops of a step, of all processes together.
      seed: of the choice of clips and places.
      process_index: of this process; it makes its rows of the batch only.
      process_count: processes that share a batch; they divide its size.
      workers: crops read at the same time.
      steps_ahead: batches that are read while one is in use.
      max_bad_share: of the clips, 0 to 1; with more unreadable ones reading fails.
      in_memory_gb: a corpus that takes no more is read into memory at the beginning.
    """

    crop: int
    batch_size: int
    seed: int
    process_index: int = 0
    process_count: int = 1
    workers: int = 4
    steps_ahead: int = 2
    max_bad_share: float = 0.05
    in_memory_gb: float = 4.0

    def __post_init__(self) -> None:
        if min(self.crop, self.batch_size, self.workers, self.steps_ahead) < 1:
            raise errors.InputError(
                "CropConfig needs crop, batch_size, workers and steps_ahead of 1 or "
                f"more; got {self.crop}, {self.batch_size}, {self.workers} and "
                f"{self.steps_ahead}. Set them."
            )
        if not 0 <= self.process_index < self.process_count:
            raise errors.InputError(
                "CropConfig.process_index must lie below process_count; got "
                f"{self.process_index} of {self.process_count}."
            )
        if self.batch_size % self.process_count:
            raise errors.InputError(
                f"The {self.process_count} processes must divide the batch; got "
                f"CropConfig.batch_size={self.batch_size}. Change it."
            )
        if not 0 <= self.max_bad_share <= 1:
            raise errors.InputError(
                f"CropConfig.max_bad_share must lie in [0, 1]; got "
                f"{self.max_bad_share}."
            )


class CropReader:
    """Draws batches of crops; the crops of a step depend on seed and step alone.

    A clip that cannot be read is replaced by the next one that can, the same at each
    step and in each process; it is counted and listed once.
    """

    def __init__(
        self,
        clips: clip_sources.ClipSource,
        config: CropConfig,
        listed: pathlib.Path | None = None,
    ) -> None:
        """Starts the readers; nothing is read yet.

        Args:
          clips: to cut crops from.
          config: of the crops.
          listed: where unreadable clips are listed, a JSON object a line.

        Raises:
          InputError: where there are no clips.
        """
        if not len(clips):
            raise errors.InputError("A CropReader needs clips; got none. Add some.")
        self._clips = clips
        self._config = config
        self._listed = listed
        self._problems: dict[int, items.Problem] = {}
        self._lock = threading.Lock()
        self._pool = concurrent.futures.ThreadPoolExecutor(config.workers)
        self._ahead: dict[int, list[concurrent.futures.Future[_Crop]]] = {}

    @property
    def problems(self) -> tuple[items.Problem, ...]:
        """The unreadable clips met so far, in their order."""
        with self._lock:
            return tuple(self._problems[clip] for clip in sorted(self._problems))

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns this process' rows of a step, and reads ahead for the next steps.

        Returns:
          `waveform` [b n] float32 in [-1, 1], `clip` [b] and `start` [b].

        Raises:
          InputError: where too many clips cannot be read.
        """
        wanted = range(step, step + self._config.steps_ahead + 1)
        for number in [number for number in self._ahead if number not in wanted]:
            for future in self._ahead.pop(number):
                future.cancel()
        for number in wanted:
            if number not in self._ahead:
                self._ahead[number] = self._begin(number)
        crops = [future.result() for future in self._ahead.pop(step)]
        out = np.zeros((len(crops), self._config.crop), np.float32)
        for row, (_, _, samples) in zip(out, crops, strict=True):
            row[: len(samples)] = to_float(samples)
        return {
            "waveform": out,
            "clip": np.asarray([clip for clip, _, _ in crops], np.int32),
            "start": np.asarray([start for _, start, _ in crops], np.int32),
        }

    def _begin(self, step: int) -> list[concurrent.futures.Future[_Crop]]:
        """Draws the whole batch of a step; starts to read the rows of this process."""
        config = self._config
        random = np.random.default_rng([config.seed, step])
        chosen = random.integers(len(self._clips), size=config.batch_size)
        places = random.random(config.batch_size)
        count = config.batch_size // config.process_count
        own = slice(config.process_index * count, (config.process_index + 1) * count)
        return [
            self._pool.submit(self._crop, clip, place)
            for clip, place in zip(
                chosen[own].tolist(), places[own].tolist(), strict=True
            )
        ]

    def _crop(self, clip: int, place: float) -> _Crop:
        """Reads a crop of a clip, or of the first readable one after it.

        A clip that failed is tried again each time: another part of it may be good,
        and what a step gives must not depend on the steps before.
        """
        number = clip
        while True:  # ends: where all clips fail, the last one is refused
            try:
                start, samples = self._clips.part(number, place, self._config.crop)
            except errors.InputError as error:
                self._count(number, error)
                number = (number + 1) % len(self._clips)
            else:
                return number, start, samples

    def _count(self, clip: int, error: errors.InputError) -> None:
        """Counts and lists an unreadable clip; refuses too many."""
        with self._lock:
            if clip not in self._problems:
                self._problems[clip] = items.Problem(
                    row=clip + 1, name="", reason=str(error)
                )
                _LOG.warning("clip %d is left out: %s", clip + 1, error)
                if self._listed is not None:
                    found = (self._problems[i] for i in sorted(self._problems))
                    items.write_problems(self._listed, found)
            bad = list(self._problems.values())
        items.check_share(
            "The corpus",
            len(self._clips) - len(bad),
            bad,
            self._config.max_bad_share,
            str(self._listed or "the log"),
        )


def open_reader(
    rows: Sequence[manifest.ClipRow],
    sample_rate_hz: int,
    config: CropConfig,
    *,
    listed: pathlib.Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CropReader:
    """Opens a corpus: in memory where it is small enough, otherwise from its files.

    Args:
      rows: the clips.
      sample_rate_hz: that they are resampled to.
      config: of the crops.
      listed: where unreadable clips are listed.
      progress: called with (clips read, clips in all) where they are read now.
    """
    seconds = sum(row.duration_seconds for row in rows)
    if 2 * seconds * sample_rate_hz <= 1e9 * config.in_memory_gb:
        clips = clip_sources.load(rows, sample_rate_hz, progress)
    else:
        clips = clip_sources.ClipFiles(
            paths=[row.path for row in rows], sample_rate_hz=sample_rate_hz
        )
    return CropReader(clips, config, listed)


def to_float(samples: Int16[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns 16-bit samples as float32 in [-1, 1]."""
    return clip_sources.to_float(samples)
