"""What readers of preference data sets yield: which of two clips somebody preferred."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from musicrl_jax.data import preference_rows

Fields = Mapping[str, Any]
"""A row as it was read: values by the names of columns."""
MUSIC = "music"
ADHERENCE = "text_adherence"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
    """One side of a vote.

    Attributes:
      places: paths below the audio folder where the recording may be, the likeliest
        first; see `audio_folder.AudioFolder.find`.
      begin_seconds: where the part that was heard begins.
      end_seconds: where it ends; None where that is not known.
      listened_seconds: how long it was played; None where that is not known.
      model: that made it; empty where that is not known.
    """

    places: tuple[str, ...]
    begin_seconds: float = 0.0
    end_seconds: float | None = None
    listened_seconds: float | None = None
    model: str = ""

    def __post_init__(self) -> None:
        if self.end_seconds is not None and self.end_seconds <= self.begin_seconds:
            raise ValueError(
                f"a part must end after second {self.begin_seconds:g}, where it "
                f"begins; got {self.end_seconds:g}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vote:
    """One row of a preference data set.

    Attributes:
      row: line of the file, or place of the file in its folder, 1 first.
      identity: no other row has the same.
      prompt: that both clips were made for.
      clip_a: the first clip.
      clip_b: the second one.
      choice: "a", "b", "tie", or None where neither was liked or nothing was chosen.
      user: who chose; "unknown" where the data set does not tell.
      source: the data set.
      licence: under which the row may be used.
      confidence: that the choice is clear, 0 to 1; None where it is not known.
      question: what was asked: `MUSIC` for the music as a whole, or `ADHERENCE`.
    """

    row: int
    identity: str
    prompt: str
    clip_a: Clip
    clip_b: Clip
    choice: str | None
    source: str
    licence: str
    user: str = "unknown"
    confidence: float | None = None
    question: str = MUSIC

    def __post_init__(self) -> None:
        if not self.licence:
            raise ValueError(f"a row of {self.source} needs a licence; pass --licence.")
        if self.choice not in preference_rows.CHOICES:
            raise ValueError(f"the choice must be a, b or tie; got {self.choice!r}.")
        if not preference_rows.normalised(self.prompt):
            raise ValueError(f"the prompt must have words; got {self.prompt!r}.")
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise ValueError(f"confidence must lie in [0, 1]; got {self.confidence}.")


def listened_to_both(vote: Vote, min_seconds: float) -> bool:
    """Returns whether both clips were played for so long; unknown times pass.

    The paper considers only users who listened to both (section 3.3); it does not say
    how long.
    """
    times = (vote.clip_a.listened_seconds, vote.clip_b.listened_seconds)
    return all(time is None or time >= min_seconds for time in times)


def part_seconds(vote: Vote) -> float | None:
    """Returns how long the shorter of the two parts is; None where it is not known."""
    known = [
        clip.end_seconds - clip.begin_seconds
        for clip in (vote.clip_a, vote.clip_b)
        if clip.end_seconds is not None
    ]
    return min(known, default=None)


def text(fields: Fields, *names: str) -> str:
    """Returns the text of the first of these fields that there is, on one line.

    Raises:
      ValueError: where there is none of them.
    """
    for name in names:
        if name in fields:
            value = fields[name]
            return "" if value is None else " ".join(str(value).split())
    raise ValueError(f"the row lacks {' or '.join(names)}.")


def number(fields: Fields, *names: str) -> float | None:
    """Returns the number in the first of these fields; None where there is none.

    Raises:
      ValueError: for anything else.
    """
    value = next((fields[name] for name in names if name in fields), None)
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{names[0]} must be a number; got {value!r}.") from error
