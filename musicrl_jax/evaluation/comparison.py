"""Before against after, score by score and group by group."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

from musicrl_jax.core import errors
from musicrl_jax.evaluation import prompts as prompts_lib
from musicrl_jax.evaluation import scores, statistics

GROUPS = {
    prompts_lib.HELD_OUT: "captions held out of training",
    prompts_lib.NEW_COMBINATION: "attribute combinations never trained on",
    prompts_lib.PAPER: "evaluation prompts of the paper",
}
LEAST_PAIRS = 4
CLEAR = 3.0
LIKELY = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One score of one group of prompts.

    Attributes:
      name: a path such as `reward/total` or `attribute/genre`.
      group: "all", or a prompt's origin.
      result: the paired comparison.
    """

    name: str
    group: str
    result: statistics.PairedComparison

    @property
    def words(self) -> str:
        """What the standard errors allow to be said."""
        distance = self.result.in_standard_errors
        if abs(distance) < LIKELY:
            return "no measurable change"
        certainty = "clearly" if abs(distance) >= CLEAR else "probably"
        return f"{certainty} {'up' if distance > 0 else 'down'}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """The scores of the same prompts and seeds, before and after."""

    prompts: Sequence[prompts_lib.Prompt]
    before: scores.ClipScores
    after: scores.ClipScores

    @functools.cached_property
    def rows(self) -> tuple[Row, ...]:
        """All scores of all prompts, and the reward of each group."""
        everything = np.ones(len(self.prompts), bool)
        found = [
            self._row(name, "all", before, after, everything)
            for name, before, after in self._vectors()
        ]
        before, after = self.before.rewards["total"], self.after.rewards["total"]
        for group in GROUPS:
            chosen = np.array([prompt.origin == group for prompt in self.prompts])
            found.append(self._row("reward/total", group, before, after, chosen))
        return tuple(row for row in found if row is not None)

    def row(self, name: str) -> Row:
        """Returns the row of `name` over all prompts.

        Raises:
          InputError: where there is none.
        """
        for row in self.rows:
            if row.name == name and row.group == "all":
                return row
        raise errors.InputError(
            f"No score {name!r} could be compared; at least {LEAST_PAIRS} prompts must "
            "have it. Use more prompts, and captions that name attributes."
        )

    def _vectors(
        self,
    ) -> Iterator[tuple[str, Float[np.ndarray, " b"], Float[np.ndarray, " b"]]]:
        for name in self._reward_names():
            yield f"reward/{name}", self.before.rewards[name], self.after.rewards[name]
        yield "attribute/any", self.before.recovered, self.after.recovered
        for name in self.before.correct:
            yield (
                f"attribute/{name}",
                self.before.correct[name],
                self.after.correct[name],
            )
        for name in self.before.sound:
            yield f"sound/{name}", self.before.sound[name], self.after.sound[name]

    def _reward_names(self) -> list[str]:
        """Returns "total", and the parts where they say more than it does."""
        parts = [name for name in self.before.rewards if name != "total"]
        return ["total", *(parts if len(parts) > 1 else [])]

    def _row(
        self,
        name: str,
        group: str,
        before: Float[np.ndarray, " b"],
        after: Float[np.ndarray, " b"],
        chosen: Bool[np.ndarray, " b"],
    ) -> Row | None:
        """Returns the comparison over the prompts that have the score."""
        chosen = chosen & np.isfinite(before) & np.isfinite(after)
        if chosen.sum() < LEAST_PAIRS:
            return None
        result = statistics.compare_pairs(before[chosen], after[chosen])
        return Row(name=name, group=group, result=result)
