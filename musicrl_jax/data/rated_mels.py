"""Batches of spectrogram crops with the scores of each clip's raters."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.core import errors
from musicrl_jax.data import mel_batches, ratings

NOBODY = -1
"""Rater number of an entry without a score."""


def rater_numbers(clips: Sequence[ratings.RatedClip]) -> dict[str, int]:
    """Returns a number for each rater of these clips, by name in order."""
    names = sorted({rater for clip in clips for rater in clip.raters})
    return {name: number for number, name in enumerate(names)}


def score_table(
    clips: Sequence[ratings.RatedClip], numbers: dict[str, int]
) -> tuple[Float[np.ndarray, "clips r"], Int[np.ndarray, "clips r"]]:
    """Returns each clip's scores and who gave them, as wide as the most rated clip.

    Entries without a score have rater `NOBODY` and score 0.
    """
    width = max(len(clip.scores) for clip in clips)
    scores = np.zeros((len(clips), width), np.float32)
    raters = np.full((len(clips), width), NOBODY, np.int32)
    for row, clip in enumerate(clips):
        count = len(clip.scores)
        scores[row, :count] = clip.scores
        raters[row, :count] = [numbers[rater] for rater in clip.raters]
    return scores, raters


@dataclasses.dataclass(frozen=True, kw_only=True)
class RatedMelBatches:
    """Each step: crops of clips drawn anew, with all the scores of each clip.

    Attributes:
      mels: log-mel spectrograms, each as long as the longest crop or longer.
      scores: of each clip, see `score_table`.
      raters: who gave them.
      batch_size: crops in a batch.
      frames: crop lengths; each step takes one of them.
      seed: of clips, places and lengths.
    """

    mels: mel_batches.Mels
    scores: Float[np.ndarray, "clips r"]
    raters: Int[np.ndarray, "clips r"]
    batch_size: int
    frames: tuple[int, ...]
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.mels or not len(self.mels) == len(self.scores) == len(self.raters):
            raise errors.InputError(
                "RatedMelBatches needs clips and a row of scores for each; got "
                f"{len(self.mels)} clips, {len(self.scores)} and {len(self.raters)}."
            )
        if self.batch_size < 1 or not self.frames:
            raise errors.InputError(
                "RatedMelBatches needs a batch size of 1 or more and crop lengths; got "
                f"{self.batch_size} and {self.frames}."
            )

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns `mel` float16 [b, frames, m], `scores` and `raters` [b, r]."""
        generator = np.random.default_rng((self.seed, step))
        frames = int(generator.choice(self.frames))
        clips = generator.integers(len(self.mels), size=self.batch_size)
        return {
            "mel": mel_batches.crop(generator, self.mels, clips, frames),
            "scores": self.scores[clips],
            "raters": self.raters[clips],
        }
