"""Two clips that people rated one by one, as a vote for the better one."""

import dataclasses

from musicrl_jax.data import preference_rows
from musicrl_jax.data.readers import votes

LOWEST, HIGHEST = 1.0, 5.0
RATERS = "mean of raters"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RatedClip:
    """A recording with its mean score.

    Attributes:
      row: line of the file, 1 first.
      name: place of the recording in the data set.
      score: 1 to 5.
      model: that made it; empty where that is not known.
    """

    row: int
    name: str
    score: float
    model: str = ""

    def __post_init__(self) -> None:
        if not LOWEST <= self.score <= HIGHEST:
            raise ValueError(f"a score must lie in [1, 5]; got {self.score}.")


def vote(
    prompt: str, one: RatedClip, other: RatedClip, *, source: str, licence: str
) -> votes.Vote:
    """Returns the vote of one clip's raters against the other's.

    Confidence is the difference of the scores, as a share of the largest possible.
    """
    difference = one.score - other.score
    choice = preference_rows.FIRST if difference > 0 else preference_rows.SECOND
    return votes.Vote(
        row=one.row,
        identity=f"{one.name} {other.name}",
        prompt=prompt,
        clip_a=votes.Clip(places=(one.name,), model=one.model),
        clip_b=votes.Clip(places=(other.name,), model=other.model),
        choice=choice if difference else preference_rows.TIE,
        user=RATERS,
        source=source,
        licence=licence,
        confidence=abs(difference) / (HIGHEST - LOWEST),
    )
