"""Log-mel clips, and batches of random crops of them, with captions.

Networks that read spectrograms train on these: one pass over the audio, then no
decoding or transform in the training loop. The clips are memory-mapped, so that they
may take more room than the memory has.
"""

import collections
import concurrent.futures
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.audio import spectrogram, waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, mapped_arrays

Mels = Sequence[Float[np.ndarray, "_ m"]]
"""Log-mel spectrograms of clips (float16), of any lengths."""


def read_mels(
    rows: Sequence[manifest.ClipRow],
    config: spectrogram.MelConfig,
    progress: Callable[[int, int], None] | None = None,
    readers: int = 4,
) -> list[Float[np.ndarray, "_ m"]]:
    """Reads clips and returns their log-mel spectrograms, as `read_files` does."""
    return read_files([row.path for row in rows], config, progress, readers)


def read_files(
    paths: Sequence[str],
    config: spectrogram.MelConfig,
    progress: Callable[[int, int], None] | None = None,
    readers: int = 4,
) -> list[Float[np.ndarray, "_ m"]]:
    """Reads audio files and returns their log-mel spectrograms in float16.

    They lie in a temporary file; see `data.mapped_arrays`.

    Args:
      paths: files to read.
      config: of the spectrograms; audio is resampled to its rate.
      progress: called with (clips done, clips in all).
      readers: clips read ahead at the same time.

    Raises:
      InputError: where a clip cannot be read.
    """
    transform = jax.jit(lambda audio: spectrogram.log_mel(audio, config))

    def read(path: str) -> Float[np.ndarray, " n"]:
        return waveform.read_audio(pathlib.Path(path), config.sample_rate_hz)

    with (
        mapped_arrays.MappedArrays(np.float16) as mels,
        concurrent.futures.ThreadPoolExecutor(max_workers=readers) as pool,
    ):
        for done, audio in enumerate(_mapped(pool, read, paths, 2 * readers), 1):
            mels.append(np.asarray(transform(audio[None])[0], np.float16))
            if progress is not None:
                progress(done, len(paths))
        return mels.arrays()


def _mapped(
    pool: concurrent.futures.Executor,
    read: Callable[[str], Float[np.ndarray, " n"]],
    paths: Sequence[str],
    ahead: int,
) -> Iterator[Float[np.ndarray, " n"]]:
    """Yields what `read` gives, in order, at most `ahead` waveforms ahead.

    `Executor.map` would read all files, however slowly they are used.
    """
    waiting: collections.deque[concurrent.futures.Future[np.ndarray]]
    waiting = collections.deque()
    for path in paths:
        if len(waiting) == ahead:
            yield waiting.popleft().result()
        waiting.append(pool.submit(read, path))
    while waiting:
        yield waiting.popleft().result()


def crop(
    generator: np.random.Generator,
    mels: Mels,
    clips: Int[np.ndarray, " b"],
    frames: int,
) -> Float[np.ndarray, "b f m"]:
    """Cuts `frames` consecutive frames out of each of the clips, at random places.

    Raises:
      InputError: where a clip is shorter.
    """
    shortest = min(mels[clip].shape[0] for clip in clips)
    if shortest < frames:
        raise errors.InputError(
            f"Crops need clips of {frames} frames or more; one has {shortest}. "
            "Leave out short clips or use shorter crops."
        )
    starts = [
        generator.integers(mels[clip].shape[0] - frames, endpoint=True)
        for clip in clips
    ]
    return np.stack(
        [
            mels[clip][start : start + frames]
            for clip, start in zip(clips, starts, strict=True)
        ]
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MelBatches:
    """Crops of distinct clips: a function of the seed and the step alone.

    Attributes:
      mels: the clips.
      batch_size: crops in a batch.
      frames: crop lengths; each step takes one of them.
      seed: of the clips, places and lengths.
    """

    mels: Mels
    batch_size: int
    frames: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= len(self.mels):
            raise errors.InputError(
                f"batch_size must lie between 1 and the {len(self.mels)} clips; got "
                f"{self.batch_size}. Set it in the network's gin file of gin/runs."
            )

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns `{"mel": float16 [b, frames, m]}` of step `step`."""
        generator = np.random.default_rng((self.seed, step))
        clips = self._clips(generator)
        frames = int(generator.choice(self.frames))
        return {"mel": crop(generator, self.mels, clips, frames)}

    def _clips(self, generator: np.random.Generator) -> Int[np.ndarray, " b"]:
        return generator.choice(len(self.mels), self.batch_size, replace=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionedMelBatches(MelBatches):
    """The same, each crop with one of its clip's captions.

    A contrastive loss learns most from clips that are alike, and of a batch of all
    genres few are: some batches are drawn from few groups only.

    Attributes:
      texts: for each clip the word ids of its captions, padded with 0.
      fullest_share: share of crops whose text is the longest caption of their clip; the
        others take any of its captions.
      groups: for each clip the name of its group, such as its genre; empty for none.
      groups_per_batch: groups that a grouped batch is drawn from.
      grouped_share: share of batches that are grouped.
    """

    texts: Sequence[Int[np.ndarray, "_ w"]]
    fullest_share: float = 0.0
    groups: Sequence[str] = ()
    groups_per_batch: int = 2
    grouped_share: float = 0.0

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns `mel` as above and `"text"`: int32 [b, w], row by row."""
        generator = np.random.default_rng((self.seed, step))
        clips = self._clips(generator)
        frames = int(generator.choice(self.frames))
        mel = crop(generator, self.mels, clips, frames)
        text = [self._caption(generator, int(clip)) for clip in clips]
        return {"mel": mel, "text": np.stack(text).astype(np.int32)}

    def _caption(
        self, generator: np.random.Generator, clip: int
    ) -> Int[np.ndarray, " w"]:
        captions = self.texts[clip]
        if generator.random() < self.fullest_share:
            return captions[np.argmax(np.count_nonzero(captions, axis=1))]
        return captions[generator.integers(len(captions))]

    def _clips(self, generator: np.random.Generator) -> Int[np.ndarray, " b"]:
        if self.groups and generator.random() < self.grouped_share:
            members = self._members
            count = min(self.groups_per_batch, len(members))
            chosen = generator.choice(len(members), count, replace=False)
            pool = np.concatenate([members[i] for i in chosen])
            if len(pool) >= self.batch_size:
                return generator.choice(pool, self.batch_size, replace=False)
        return super()._clips(generator)

    @functools.cached_property
    def _members(self) -> list[Int[np.ndarray, " n"]]:
        """The clips of each group."""
        names = np.asarray(self.groups)
        return [np.flatnonzero(names == name) for name in np.unique(names)]
