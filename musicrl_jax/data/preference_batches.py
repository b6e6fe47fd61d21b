"""Batches of pairs of clips of which one was preferred."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float, Int, Integer, UInt16

from musicrl_jax.core import errors
from musicrl_jax.data import preference_choices


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreferenceBatches:
    """Each step: choices drawn anew; both clips of a pair are cropped at one place.

    Where several users were asked about one pair, each choice that is drawn brings the
    share of all of them: on average the loss of single choices, with less noise.

    Attributes:
      tokens: the set's clips.
      choices: the pairs.
      conditioning: MuLan tokens of each pair's caption.
      batch_size: pairs in a batch.
      frames: of a crop; the clips' own length for whole clips.
      seed: of pairs and places.
    """

    tokens: UInt16[np.ndarray, "clips f q"]
    choices: preference_choices.Choices
    conditioning: Int[np.ndarray, "pairs k"]
    batch_size: int
    frames: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or len(self.conditioning) != len(self.choices):
            raise errors.InputError(
                "PreferenceBatches needs a batch size of 1 or more and conditioning of "
                f"each pair; got {self.batch_size} and {len(self.conditioning)} for "
                f"{len(self.choices)} pairs."
            )
        if not 1 <= self.frames <= self.tokens.shape[1]:
            raise errors.InputError(
                f"Crops must be of 1 to {self.tokens.shape[1]} frames, as long as the "
                f"clips; got {self.frames}. Set crop_seconds lower."
            )

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns arrays of p pairs.

        `preferred` and `other` are uint16 [p, f, q], `share` float32 [p], of the users
        who chose so, `conditioning` int32 [p, k] and `number` int32 [p], the place of
        the pair's first choice among all.
        """
        random = np.random.default_rng((self.seed, step))
        drawn = random.integers(len(self.choices), size=self.batch_size)
        number = self._first[drawn]
        last = self.tokens.shape[1] - self.frames
        starts = random.integers(last + 1, size=self.batch_size)
        return {
            "preferred": self._crops(self.choices.preferred[number], starts),
            "other": self._crops(self.choices.other[number], starts),
            "share": self._share[number],
            "conditioning": self.conditioning[number].astype(np.int32),
            "number": number.astype(np.int32),
        }

    @functools.cached_property
    def _first(self) -> Int[np.ndarray, " choices"]:
        """For each choice the first one of the same pair and caption."""
        seen: dict[tuple[str, int, int], int] = {}
        rows = zip(
            self.choices.captions,
            self.choices.preferred.tolist(),
            self.choices.other.tolist(),
            strict=True,
        )
        places = [
            seen.setdefault((text, min(a, b), max(a, b)), place)
            for place, (text, a, b) in enumerate(rows)
        ]
        return np.asarray(places)

    @functools.cached_property
    def _share(self) -> Float[np.ndarray, " choices"]:
        """For each first choice the share of the pair's users who chose so."""
        alike = self.choices.preferred == self.choices.preferred[self._first]
        count = len(self.choices)
        votes = np.bincount(self._first, minlength=count)
        for_it = np.bincount(self._first, weights=alike, minlength=count)
        return (for_it / np.maximum(votes, 1)).astype(np.float32)

    def _crops(
        self, rows: Int[np.ndarray, " p"], starts: Int[np.ndarray, " p"]
    ) -> UInt16[np.ndarray, "p f q"]:
        reach = starts[:, None] + np.arange(self.frames)[None]
        return np.asarray(self.tokens[rows[:, None], reach])


def middle(
    tokens: Integer[np.ndarray, "clips f q"], frames: int
) -> Integer[np.ndarray, "clips crop q"]:
    """Returns the middle `frames` of each clip, which crops are judged on."""
    start = (tokens.shape[1] - frames) // 2
    return tokens[:, start : start + frames]
