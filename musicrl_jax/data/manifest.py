"""The audio manifest: JSON lines, one clip a line."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from musicrl_jax.core import errors

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "path": str,
    "duration_seconds": (int, float),
    "sample_rate_hz": int,
    "captions": list,
    "attributes": dict,
    "split": str,
    "licence": str,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One clip of a corpus.

    Attributes:
      path: audio file; a relative one starts at the manifest's folder.
      duration_seconds: finite and above 0.
      captions: each with text; may be none, as only MuLan needs them.
      attributes: labels such as `{"genre": "tango", "mood": "tense"}`.
      split: "train", "held_out" or another name of the corpus.
      licence: of the recording, such as "CC0-1.0"; empty where unknown.
    """

    path: str
    duration_seconds: float
    sample_rate_hz: int
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    split: str = "train"
    licence: str = ""

    def __post_init__(self) -> None:
        timed = 0 < self.duration_seconds < math.inf and self.sample_rate_hz > 0
        if not self.path or "\0" in self.path or not timed:
            raise errors.InputError(
                "A manifest row needs a path, a duration and a sample rate; got "
                f"{self.path!r}, {self.duration_seconds}, {self.sample_rate_hz}. "
                "Mend the row."
            )
        if not all(text.strip() for text in self.captions):
            raise errors.InputError(
                f"The captions of a manifest row need text; got {self.captions!r} for "
                f"{self.path!r}. Mend the row."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """The rows of a manifest and what was wrong with the others.

    Attributes:
      rows: good rows in file order; relative paths resolved.
      problems: one "line 3: reason" for each bad row.
    """

    rows: tuple[ClipRow, ...]
    problems: tuple[str, ...]

    def of_split(self, split: str) -> tuple[ClipRow, ...]:
        """Returns the rows of `split`.

        Raises:
          InputError: where there are none.
        """
        rows = tuple(row for row in self.rows if row.split == split)
        if not rows:
            known = ", ".join(sorted({row.split for row in self.rows}))
            raise errors.InputError(
                f"No rows of split {split!r}; the manifest has {known}. Choose one, or "
                "write the manifest again with another ManifestConfig.held_out_share."
            )
        return rows


def read_manifest(path: pathlib.Path, *, max_bad_share: float = 0.01) -> Manifest:
    """Reads a manifest, leaving out and listing rows that cannot be used.

    Args:
      path: the JSON lines file.
      max_bad_share: above this share of bad rows the whole file is refused.

    Raises:
      InputError: for a missing file, no good row, or too many bad ones.
    """
    try:
        # Not splitlines: a text may hold other line separators, such as U+2028.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(
            f"The manifest {path} must be a readable UTF-8 file; {error}. Check it."
        ) from error
    rows, problems = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(_parse(line, path.parent))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            problems.append(f"line {number}: {error}")
    bad_share = len(problems) / max(1, len(rows) + len(problems))
    if not rows or bad_share > max_bad_share:
        raise errors.InputError(
            f"The manifest {path} has {len(rows)} good and {len(problems)} bad rows; "
            f"at most {max_bad_share:.0%} may be bad. First: "
            f"{problems[0] if problems else 'the file is empty'}. Mend these rows."
        )
    return Manifest(rows=tuple(rows), problems=tuple(problems))


def write_manifest(path: pathlib.Path, rows: Iterable[ClipRow]) -> None:
    """Writes `rows`, through a temporary file: a reader sees all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            text = json.dumps(dataclasses.asdict(row), ensure_ascii=False)
            file.write(text + "\n")
    temporary.replace(path)


def _parse(line: str, folder: pathlib.Path) -> ClipRow:
    """Returns the row of one line.

    Raises:
      TypeError, ValueError, OverflowError, RecursionError: where it is bad.
    """
    parsed = json.loads(line)
    if not isinstance(parsed, dict):
        raise TypeError(f"a row is a JSON object; got {type(parsed).__name__}")
    fields: dict[str, Any] = parsed
    if unknown := fields.keys() - _TYPES.keys():
        raise ValueError(f"unknown fields {sorted(unknown)}")
    rate = fields.get("sample_rate_hz")
    if isinstance(rate, float) and rate.is_integer():  # as some programs write it
        fields["sample_rate_hz"] = int(rate)
    _check_types(fields)
    _check_characters(fields)
    if "duration_seconds" in fields:
        fields["duration_seconds"] = float(fields["duration_seconds"])
    row = ClipRow(**{**fields, "captions": tuple(fields.get("captions", ()))})
    return dataclasses.replace(row, path=str(folder / row.path))


def _check_types(fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        # JSON's true is an int to Python, but no number here.
        if isinstance(value, bool) or not isinstance(value, _TYPES[name]):
            raise TypeError(f"{name} has an unsuitable value {str(value)[:60]!r}")
    if not _are_texts(fields.get("captions", ())):
        raise TypeError("captions must be a list of texts")
    if not _are_texts(fields.get("attributes", {}).values()):
        raise TypeError("attributes must be texts by name")


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _check_characters(fields: Mapping[str, Any]) -> None:
    """Refuses halves of surrogate pairs, which JSON can spell but no file can hold."""
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text has half a surrogate pair") from error
