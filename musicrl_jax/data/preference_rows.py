"""One row of a preference set, and the facts of a whole set; see `preferences`."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.data import text

FIRST, SECOND, TIE = "a", "b", "tie"
CHOICES = (FIRST, SECOND, TIE, None)
CHANCE = 0.5
_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("caption", "user", "group", "source", "licence"), (str,)),
    **dict.fromkeys(("a", "b", "tokens_per_frame"), (int,)),
    "choice": (str, type(None)),
    "confidence": (int, float, type(None)),
    "simulated": (bool,),
    "frame_rate_hz": (int, float),
    "ceiling_accuracy": (int, float, type(None)),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preference:
    """One pair of clips that somebody was shown.

    Attributes:
      caption: that both clips were made for.
      a: row of the first clip in `tokens.npy`.
      b: row of the second one.
      choice: "a" or "b", "tie", or None where nothing was chosen.
      user: who chose; any name that tells people apart.
      source: where the pair was collected.
      licence: under which it may be used.
      group: of users, such as a genre's listeners; empty for none.
      confidence: that the choice is clear, from 0 to 1; None where it is not known.
    """

    caption: str
    a: int
    b: int
    choice: str | None
    user: str
    source: str
    licence: str
    group: str = ""
    confidence: float | None = None

    def __post_init__(self) -> None:
        rows = min(self.a, self.b) >= 0 and self.a != self.b
        _require("b", rows, "be another row than a", self)
        _require("choice", self.choice in CHOICES, "be a, b, tie or null", self)
        _require("caption", bool(normalised(self.caption)), "have words", self)
        for name in ("user", "source", "licence"):
            _require(name, bool(getattr(self, name)), "not be empty", self)
        sure = self.confidence
        _require("confidence", sure is None or 0 <= sure <= 1, "lie in [0, 1]", self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a whole set.

    Attributes:
      simulated: the choices were made by a program.
      frame_rate_hz: frames of a second of the clips.
      tokens_per_frame: the length of axis q.
      ceiling_accuracy: the share of choices that the best possible predictor gets
        right, from 0.5 to 1; None where it is not known.
      others: any other facts, fit for JSON.
    """

    simulated: bool
    frame_rate_hz: float
    tokens_per_frame: int
    ceiling_accuracy: float | None = None
    others: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        _require("frame_rate_hz", self.frame_rate_hz > 0, "be positive", self)
        _require("tokens_per_frame", self.tokens_per_frame > 0, "be positive", self)
        best = self.ceiling_accuracy
        fits = best is None or CHANCE < best <= 1
        _require("ceiling_accuracy", fits, "lie in (0.5, 1] or be null", self)


def normalised(caption: str) -> str:
    """Returns a caption by which it is told from others: its words, in lower case."""
    return " ".join(text.words_of(caption))


def typed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns JSON values as the fields want them; TypeError where they cannot be."""
    found = dict(fields)
    for name, value in fields.items():
        wanted = _TYPES.get(name)
        # JSON's true is an int to Python, but no number.
        flag = isinstance(value, bool) and wanted != (bool,)
        if wanted and (flag or not isinstance(value, wanted)):
            raise TypeError(f"{name} has an unsuitable value {value!r}; mend it")
        if wanted and float in wanted and value is not None:
            found[name] = float(value)
    return found


def _require(name: str, holds: bool, rule: str, row: Preference | Facts) -> None:
    if not holds:
        raise errors.InputError(
            f"{name} must {rule}; got {getattr(row, name)!r}. Mend that value."
        )
