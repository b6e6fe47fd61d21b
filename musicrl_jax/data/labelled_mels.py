"""Batches of spectrogram crops with labels, drawn evenly from groups of clips."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.core import errors
from musicrl_jax.data import mel_batches


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """Clips of one kind, such as recordings, or their reconstructions by a codec.

    Attributes:
      mels: log-mel spectrograms, each as long as the longest crop or longer.
      labels: label numbers of each clip; -1 where one is not known.
    """

    mels: Sequence[Float[np.ndarray, "_ m"]]
    labels: Int[np.ndarray, "clips heads"]

    def __post_init__(self) -> None:
        if not self.mels or len(self.mels) != len(self.labels):
            raise errors.InputError(
                "A group needs clips and as many rows of labels; got "
                f"{len(self.mels)} and {len(self.labels)}. Label each clip."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledMelBatches:
    """Each step: crops of one length, as many from each group, clips drawn anew.

    Attributes:
      groups: kinds of clips.
      batch_size: crops in a batch; a multiple of the number of groups.
      frames: crop lengths; each step takes one of them.
      seed: of the clips, places and lengths.
    """

    groups: tuple[Group, ...]
    batch_size: int
    frames: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.groups or self.batch_size % len(self.groups) or not self.frames:
            raise errors.InputError(
                "LabelledMelBatches needs groups, a batch size that they divide, and "
                f"crop lengths; got {len(self.groups)}, {self.batch_size}, "
                f"{self.frames}. Change the batch size."
            )

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns `mel` float16 [b, frames, m] and `labels` int32 [b, heads]."""
        generator = np.random.default_rng((self.seed, step))
        frames = int(generator.choice(self.frames))
        count = self.batch_size // len(self.groups)
        mels, labels = [], []
        for group in self.groups:
            clips = generator.integers(len(group.mels), size=count)
            mels.append(mel_batches.crop(generator, group.mels, clips, frames))
            labels.append(group.labels[clips])
        return {"mel": np.concatenate(mels), "labels": np.concatenate(labels)}
