"""Log-mel clips in memory, and batches of random crops of them, with captions.

Networks that read spectrograms train on these: one pass over the audio, then no
decoding or transform in the training loop.
"""

import concurrent.futures
import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.audio import spectrogram, waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest

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

    mels = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=readers) as pool:
        for audio in pool.map(read, paths):
            mels.append(np.asarray(transform(audio[None])[0], np.float16))
            if progress is not None:
                progress(len(mels), len(paths))
    return mels


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
                f"{self.batch_size}."
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

    Attributes:
      texts: for each clip the word ids of its captions.
    """

    texts: Sequence[Int[np.ndarray, "_ w"]]

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns `mel` as above and `"text"`: int32 [b, w], row by row."""
        generator = np.random.default_rng((self.seed, step))
        clips = self._clips(generator)
        frames = int(generator.choice(self.frames))
        mel = crop(generator, self.mels, clips, frames)
        text = [self.texts[i][generator.integers(len(self.texts[i]))] for i in clips]
        return {"mel": mel, "text": np.stack(text).astype(np.int32)}
