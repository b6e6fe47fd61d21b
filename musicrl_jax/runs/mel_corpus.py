"""The corpus as log-mel spectrograms, for the networks that read those."""

import dataclasses
import logging
import math
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, mel_batches

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MelCorpus:
    """Clips of a manifest and their log-mel spectrograms, row by row.

    Attributes:
      train: rows of split "train".
      train_mels: their spectrograms (float16, memory-mapped).
      held_out: the other rows, never trained on.
      held_out_mels: their spectrograms.
    """

    train: tuple[manifest.ClipRow, ...]
    train_mels: tuple[Float[np.ndarray, "_ m"], ...]
    held_out: tuple[manifest.ClipRow, ...]
    held_out_mels: tuple[Float[np.ndarray, "_ m"], ...]

    def level(self) -> tuple[float, float]:
        """Returns the mean and standard deviation of the training values, rounded."""
        count, total, squares = 0, 0.0, 0.0
        for mel in self.train_mels:  # one by one: all may be more than memory holds
            values = mel[::7].astype(np.float64)
            count += values.size
            total += float(values.sum())
            squares += float(np.square(values).sum())
        mean = total / count
        variance = max(0.0, squares / count - mean**2)
        return round(mean, 2), round(math.sqrt(variance), 2)


def load(
    path: pathlib.Path,
    config: spectrogram.MelConfig,
    *,
    min_frames: int = 1,
    captioned: bool = False,
    more: Sequence[pathlib.Path] = (),
    progress: Callable[[int, int], None] | None = None,
) -> MelCorpus:
    """Reads the clips of a manifest that have `min_frames` frames or more.

    Args:
      path: the manifest.
      config: of the spectrograms.
      min_frames: shorter clips are left out.
      captioned: whether clips without captions are left out, too.
      more: manifests whose clips of split "train" are added to the training clips.
      progress: called with (clips done, clips in all).

    Raises:
      InputError: where a split is left without clips.
    """
    rows = manifest.read_manifest(path).rows
    for other in more:
        rows += manifest.read_manifest(other).of_split("train")
    seconds = min_frames * config.hop / config.sample_rate_hz
    fit = tuple(
        row
        for row in rows
        if row.duration_seconds >= seconds and (row.captions or not captioned)
    )
    if len(fit) < len(rows):
        _LOG.info("%d clips too short or without captions", len(rows) - len(fit))
    train = tuple(row for row in fit if row.split == "train")
    held_out = tuple(row for row in fit if row.split != "train")
    if not train or not held_out:
        kind = "captioned clips" if captioned else "clips"
        raise errors.InputError(
            f"{path} needs {kind} of {seconds:.2f} s or more both in split 'train' and "
            f"in another one; it has {len(train)} and {len(held_out)}. Add some."
        )
    mels = tuple(mel_batches.read_mels(train + held_out, config, progress))
    return MelCorpus(
        train=train,
        train_mels=mels[: len(train)],
        held_out=held_out,
        held_out_mels=mels[len(train) :],
    )
