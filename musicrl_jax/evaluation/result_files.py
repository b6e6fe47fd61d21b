"""Results of other commands that a report shows: ablations, studies, populations."""

import dataclasses
import json
import pathlib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from musicrl_jax.core import errors

Row = TypeVar("Row")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ablation:
    """How well a variant of the preference model tells the preferred clip.

    Attributes:
      variant: what it is.
      accuracy: share of pairs; `low` to `high` is its confidence interval.
      pairs: choices that it was tested on.
      clusters: of choices that go together, such as those on one prompt; 0 where it
        is not known.
      simulated: whether the users who chose are a program's.
    """

    variant: str
    accuracy: float
    low: float
    high: float
    pairs: int
    clusters: int = 0
    simulated: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Duel:
    """One model against another, from the first one's side.

    Attributes:
      a: the first model.
      b: the other.
      win: comparisons that a won, as a count or a share; likewise `tie` and `loss`.
      win_rate: win / (win + loss), NaN where no vote is decided; `low` to `high` is
        its confidence interval.
      n: comparisons.
    """

    a: str
    b: str
    win: int | float
    tie: int | float
    loss: int | float
    win_rate: float
    low: float
    high: float
    n: int

    @property
    def shares(self) -> dict[str, float]:
        """The three outcomes as shares of all."""
        total = self.win + self.tie + self.loss
        counts = {"win": self.win, "tie": self.tie, "loss": self.loss}
        return {name: count / total for name, count in counts.items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Opinion:
    """One model's mean opinion score with its interval, and its wins."""

    name: str
    mos: float
    low: float
    high: float
    wins: int | float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Votes:
    """What raters, or a simulated population, said of pairs of models."""

    comparisons: Sequence[Duel]
    models: Sequence[Opinion] = ()


def read_ablations(path: pathlib.Path) -> tuple[Ablation, ...]:
    """Reads a list of rows, or a file with one under "rows".

    Raises:
      InputError: where the file is missing or of another form.
    """
    content = _read(path)
    described = isinstance(content, Mapping)
    rows = content.get("rows") if described else content
    about = content.get("about") if described else None
    simulated = bool(about.get("simulated")) if isinstance(about, Mapping) else False
    found = _rows(path, rows, Ablation)
    return tuple(dataclasses.replace(row, simulated=simulated) for row in found)


def read_votes(path: pathlib.Path, *, simulated: bool) -> Votes:
    """Reads "comparisons", and "models" where there are any.

    Raises:
      InputError: where the file is missing or of another form, or where votes of
        people were asked for and it holds those of a program, or the reverse.
    """
    content = _read(path)
    if not isinstance(content, Mapping):
        raise _other_form(path, "a JSON object with a list 'comparisons'")
    if bool(content.get("simulated")) != simulated:
        asked, right = "--study", "--population"
        asked, right = (right, asked) if simulated else (asked, right)
        raise errors.InputError(
            f"{asked} takes votes of {'a program' if simulated else 'people'}; those "
            f"of {path} are not. Pass it as {right}."
        )
    duels = _rows(path, content.get("comparisons"), Duel)
    if any(duel.win + duel.tie + duel.loss <= 0 for duel in duels):
        raise _other_form(path, "at least one vote in each comparison")
    models = content.get("models") or []
    return Votes(comparisons=duels, models=_rows(path, models, Opinion))


def _read(path: pathlib.Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise errors.InputError(
            f"Results for a report are a readable JSON file; {path} is not "
            f"({errors.reason(error)}). "
            "Write it with the command that makes them."
        ) from error


def _rows(
    path: pathlib.Path, rows: object, make: Callable[..., Row]
) -> tuple[Row, ...]:
    """Returns each row as a dataclass, every field turned into its type."""
    kinds = typing.get_type_hints(make)
    if not isinstance(rows, list):
        raise _other_form(path, f"a list of rows of {', '.join(kinds)}")
    try:
        return tuple(
            make(**{n: _value(kind, row[n]) for n, kind in kinds.items() if n in row})
            for row in rows
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise _other_form(path, f"rows of {', '.join(kinds)} ({reason})") from error


def _value(kind: type[Any] | types.UnionType, value: object) -> object:
    """Returns a field as its type; null stands for a number that does not exist."""
    if isinstance(kind, types.UnionType):  # a count, or a share
        number = float(str(value))
        return int(number) if number.is_integer() else number
    return float("nan") if value is None and kind is float else kind(value)


def _other_form(path: pathlib.Path, wanted: str) -> errors.InputError:
    return errors.InputError(
        f"{path} must hold {wanted}. Write it with the command that makes it."
    )
