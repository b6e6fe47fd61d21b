"""The audio manifest: JSON lines, one clip a line."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One clip of a corpus.

    Attributes:
      path: audio file; a relative one starts at the manifest's folder.
      captions: each with text; may be none, as only MuLan needs them.
      attributes: labels such as `{"genre": "tango", "mood": "tense"}`.
      split: "train", "held_out" or another name of the corpus.
      licence: of the recording, such as "CC0-1.0"; empty where unknown.
    """

    path: str
    duration_seconds: float
    sample_rate_hz: int
    captions: tuple[str, ...]
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    split: str = "train"
    licence: str = ""

    def __post_init__(self) -> None:
        if not self.path or not self.duration_seconds > 0 or self.sample_rate_hz <= 0:
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
                f"No rows of split {split!r}; the manifest has {known}. Choose one."
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
        lines = path.read_text(encoding="utf-8").splitlines()
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
        except (TypeError, ValueError) as error:
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
    """Returns the row of one line; ValueError or TypeError where it is bad."""
    parsed = json.loads(line)
    if not isinstance(parsed, dict):
        raise TypeError(f"a row is a JSON object; got {type(parsed).__name__}")
    fields: dict[str, Any] = parsed
    unknown = fields.keys() - {field.name for field in dataclasses.fields(ClipRow)}
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    captions = fields.get("captions")
    if not isinstance(captions, list) or not all(isinstance(c, str) for c in captions):
        raise TypeError("captions must be a list of texts")
    path = str(folder / str(fields.get("path", "")))
    row = ClipRow(**{**fields, "captions": tuple(captions)})
    return dataclasses.replace(row, path=path)
