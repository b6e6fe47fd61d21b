"""Opinion scores of clips: who gave which clip how many of five points.

A ratings file is JSON lines (one object a line) or, with the suffix `.csv`, CSV with a
header. One row is one rater's score of one clip, with the fields of `Rating`; `path`,
`rater` and `score` are required:

    {"path": "clips/0001.flac", "rater": "r17", "score": 4, "origin": "human"}
"""

import csv
import dataclasses
import hashlib
import io
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from musicrl_jax.core import errors

LOWEST, HIGHEST = 1.0, 5.0
HELD_OUT_SHARE = 0.1
_NUMBERS = frozenset({"score", "strength"})
_TRUTH = {"true": True, "1": True, "false": False, "0": False, "": False}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rating:
    """One score.

    Attributes:
      path: audio file; a relative one starts at the ratings file's folder.
      rater: who gave it; any name that tells raters apart.
      score: 1 (bad) to 5 (excellent), of acoustic quality alone.
      origin: how the clip was made, such as "human", "model" or "noise"; figures are
        given for each origin.
      split: "train" or "held_out"; where it is empty, a tenth of the clips is held out
        by a hash of the path. Set it where clips share a recording.
      strength: of a synthetic fault, 0 to 1.
      simulated: the rater is a program.
    """

    path: str
    rater: str
    score: float
    origin: str = ""
    split: str = ""
    strength: float = 0.0
    simulated: bool = False

    def __post_init__(self) -> None:
        if not self.path or not self.rater:
            raise errors.InputError(
                f"a rating needs a path and a rater; got {self.path!r}, {self.rater!r}"
            )
        if not LOWEST <= self.score <= HIGHEST or not 0 <= self.strength <= 1:
            raise errors.InputError(
                "a rating needs a score from 1 to 5 and a strength from 0 to 1; got "
                f"{self.score}, {self.strength}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RatedClip:
    """A clip with all its scores, one a rater, in the order of the file."""

    path: str
    origin: str
    split: str
    strength: float
    raters: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def opinion(self) -> float:
        """The mean score."""
        return sum(self.scores) / len(self.scores)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratings:
    """A ratings file.

    Attributes:
      clips: in the order of their first row; paths and splits are resolved.
      simulated: any of the scores is a program's.
      problems: one "line 3: reason" for each bad row.
    """

    clips: tuple[RatedClip, ...]
    simulated: bool
    problems: tuple[str, ...]


def read_ratings(path: pathlib.Path, *, max_bad_share: float = 0.01) -> Ratings:
    """Reads a ratings file, leaving out and listing rows that cannot be used.

    Bad are: rows that are cut off or have unknown fields, scores outside 1 to 5, a
    second score of the same clip by the same rater, rows that contradict the clip's
    first row, and rows whose audio file is missing.

    Args:
      path: `.jsonl` or `.csv`.
      max_bad_share: above this share of bad rows the whole file is refused.

    Raises:
      InputError: for a missing file, broken CSV, no good row, or too many bad ones.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(
            f"The ratings {path} must be a readable UTF-8 file; {error}. Check it."
        ) from error
    lines = _csv_rows(text) if path.suffix == ".csv" else _json_rows(text)
    gathered: dict[str, list[Rating]] = {}
    problems: list[str] = []
    for number, fields in lines:
        try:
            rating = _parse(fields, path.parent)
            _check_fits(rating, gathered.get(rating.path, []))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            problems.append(f"line {number}: {error}")
            continue
        gathered.setdefault(rating.path, []).append(rating)
    rows = [rating for several in gathered.values() for rating in several]
    if not rows or len(problems) > max_bad_share * (len(rows) + len(problems)):
        raise errors.InputError(
            f"The ratings {path} have {len(rows)} good and {len(problems)} bad rows; "
            f"at most {max_bad_share:.0%} may be bad. First: "
            f"{problems[0] if problems else 'the file is empty'}. Mend these rows."
        )
    return Ratings(
        clips=tuple(_clip(several) for several in gathered.values()),
        simulated=any(rating.simulated for rating in rows),
        problems=tuple(problems),
    )


def write_ratings(path: pathlib.Path, rows: Iterable[Rating]) -> None:
    """Writes JSON lines, through a temporary file: a reader sees all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            text = json.dumps(dataclasses.asdict(row), ensure_ascii=False)
            file.write(text + "\n")
    temporary.replace(path)


def split_by_hash(name: str) -> str:
    """Returns "held_out" for a tenth of all names, always the same, else "train"."""
    digest = hashlib.sha256(name.encode()).digest()
    share = int.from_bytes(digest[:8]) / 2**64
    return "held_out" if share < HELD_OUT_SHARE else "train"


def _json_rows(text: str) -> Iterator[tuple[int, str | Mapping[str, Any]]]:
    """Yields (line number, line)."""
    # Not splitlines: a text may hold other line separators, such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _csv_rows(text: str) -> Iterator[tuple[int, str | Mapping[str, Any]]]:
    """Yields (number of the row's last line, its fields as text)."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for fields in reader:
            yield reader.line_num, fields
    except csv.Error as error:
        raise errors.InputError(
            f"Ratings must be well-formed CSV; after line {reader.line_num}: {error}. "
            "Mend the quotes there."
        ) from error


def _parse(row: str | Mapping[str, Any], folder: pathlib.Path) -> Rating:
    """Returns the rating of one row; ValueError or TypeError where it is bad."""
    parsed = json.loads(row) if isinstance(row, str) else _from_text(row)
    if not isinstance(parsed, dict):
        raise TypeError(f"a row is a JSON object; got {type(parsed).__name__}")
    fields: dict[str, Any] = parsed
    known = {field.name for field in dataclasses.fields(Rating)}
    if unknown := fields.keys() - known:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    _check_types(fields)
    if not fields.get("split"):
        fields["split"] = split_by_hash(str(fields.get("path", "")))
    for name in _NUMBERS & fields.keys():
        fields[name] = float(fields[name])
    rating = Rating(**fields)
    resolved = folder / rating.path
    if not resolved.is_file():
        raise ValueError(f"no audio file {resolved}")
    return dataclasses.replace(rating, path=str(resolved))


def _from_text(row: Mapping[str, Any]) -> dict[str, Any]:
    """Turns the cells of a CSV row into values; empty cells are left out."""
    if None in row or None in row.values():
        raise ValueError(f"a row has {len(row) - (None in row)} cells")
    fields: dict[str, Any] = {name: cell for name, cell in row.items() if cell != ""}
    for name in _NUMBERS & fields.keys():
        fields[name] = float(fields[name])
    if "simulated" in fields:
        fields["simulated"] = _TRUTH.get(str(fields["simulated"]).lower(), "unclear")
    return fields


def _check_types(fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        wanted = (int, float) if name in _NUMBERS else str
        wanted = bool if name == "simulated" else wanted
        # JSON's true is an int to Python, but no score.
        is_flag = isinstance(value, bool) and name != "simulated"
        if is_flag or not isinstance(value, wanted):
            raise TypeError(f"{name} has an unsuitable value {value!r}")


def _check_fits(rating: Rating, others: list[Rating]) -> None:
    """Compares a row with those of the same clip that came before."""
    if any(rating.rater == other.rater for other in others):
        raise ValueError(f"a second score of {rating.path} by {rating.rater}")
    about = ("origin", "split", "strength")
    for name in about if others else ():
        if getattr(rating, name) != getattr(others[0], name):
            raise ValueError(
                f"{name} of {rating.path} is {getattr(rating, name)!r} here and "
                f"{getattr(others[0], name)!r} before"
            )


def _clip(several: list[Rating]) -> RatedClip:
    first = several[0]
    return RatedClip(
        path=first.path,
        origin=first.origin,
        split=first.split,
        strength=first.strength,
        raters=tuple(rating.rater for rating in several),
        scores=tuple(rating.score for rating in several),
    )
