"""The ratings of a study as arrays, one row for each rated pair of clips."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from musicrl_jax.evaluation.studies import ratings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """Rated pairs.

    Attributes:
      models: names, by number.
      prompt: number of the prompt.
      rater: number of the rater.
      first: number of the model whose clip came first.
      second: of the other one.
      scores: of the two clips, 1 to 5.
    """

    models: tuple[str, ...]
    prompt: Int[np.ndarray, " n"]
    rater: Int[np.ndarray, " n"]
    first: Int[np.ndarray, " n"]
    second: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, "n 2"]

    @functools.cached_property
    def comparison(self) -> Int[np.ndarray, " n"]:
        """A number for each pair of models on each prompt, the same for either side."""
        count = len(self.models)
        low, high = np.minimum(self.first, self.second), np.maximum(*self._sides)
        return (self.prompt * count + low) * count + high

    @functools.cached_property
    def lead(self) -> Float[np.ndarray, " n"]:
        """The first clip's score less the second's."""
        return self.scores[:, 0] - self.scores[:, 1]

    @property
    def _sides(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
        return self.first, self.second

    def of_pair(self, one: int, other: int) -> Bool[np.ndarray, " n"]:
        """Returns which rows compare these two models."""
        return ((self.first == one) & (self.second == other)) | (
            (self.first == other) & (self.second == one)
        )

    def score_of(self, model: int) -> Float[np.ndarray, " n"]:
        """Returns the model's score in each row; 0 where it does not take part."""
        taking_part = np.stack(self._sides, axis=1) == model
        return np.sum(self.scores * taking_part, axis=1)

    def takes_part(self, model: int) -> Bool[np.ndarray, " n"]:
        """Returns the rows with a clip of the model."""
        return (self.first == model) | (self.second == model)


def make_table(models: Sequence[str], rows: Sequence[ratings.RatedPair]) -> Table:
    """Returns rated pairs as arrays; numbers of models are places in `models`."""
    number = {name: place for place, name in enumerate(models)}
    raters: dict[str, int] = {}
    rater = [raters.setdefault(row.rater, len(raters)) for row in rows]
    return Table(
        models=tuple(models),
        prompt=np.array([row.prompt for row in rows], np.int64),
        rater=np.array(rater, np.int64),
        first=np.array([number[row.first] for row in rows], np.int64),
        second=np.array([number[row.second] for row in rows], np.int64),
        scores=np.array([row.scores for row in rows], np.float64).reshape(-1, 2),
    )
