"""Reads what raters said, row by row, and says which rows cannot be used."""

import contextlib
import dataclasses
import json
import math
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.data.readers import tables
from musicrl_jax.evaluation.studies import files, plan

LOWEST, HIGHEST = 1.0, 5.0
MAX_BAD_SHARE = 0.01
_NEEDED = ("task", "rater", *files.SCORES)

Fields = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RatedPair:
    """One rater's scores of two clips.

    Attributes:
      rater: who gave them.
      prompt: number of the prompt.
      first: the model whose clip came first.
      second: the other model.
      scores: of the two clips in this order, 1 to 5.
    """

    rater: str
    prompt: int
    first: str
    second: str
    scores: tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collected:
    """The ratings of a study.

    Attributes:
      rows: the good ones.
      problems: one "line 3: reason" for each bad row.
      missing: ids of tasks without a good row.
    """

    rows: tuple[RatedPair, ...]
    problems: tuple[str, ...]
    missing: tuple[str, ...]


def read_ratings(
    paths: Sequence[pathlib.Path],
    tasks: Sequence[plan.Task],
    *,
    max_bad_share: float = MAX_BAD_SHARE,
) -> Collected:
    """Reads ratings files, leaving out and listing rows that cannot be used.

    Bad are: rows that are cut off or have one score only, scores outside 1 to 5, tasks
    that are not in the key, a second rating of a task, and a second rating of the same
    clips by the same rater. Another rater than the assigned one is allowed.

    Raises:
      InputError: for a file without the fields, or where no row is good or more than
        `max_bad_share` of all are bad.
      OSError: where the file cannot be read.
    """
    by_id = {task.task: task for task in tasks}
    rows, problems = _sorted_out(_all_rows(paths), by_id)
    named = ", ".join(map(str, paths)) or "no file"
    if not rows and not problems:
        raise errors.InputError(
            f"Ratings need a task that is rated; {named} has none. Fill in "
            f"{' and '.join(files.SCORES)}."
        )
    if len(problems) > max_bad_share * (len(rows) + len(problems)):
        raise errors.InputError(
            f"The ratings {named} have {len(rows)} good and {len(problems)} bad rows; "
            f"at most {max_bad_share:.0%} may be bad. First: {problems[0]}. Mend these "
            "rows, or raise --max_bad_share."
        )
    return Collected(
        rows=tuple(rows.values()),
        problems=tuple(problems),
        missing=tuple(name for name in by_id if name not in rows),
    )


def _sorted_out(
    lines: Iterable[tuple[str, Fields | ValueError]],
    by_id: Mapping[str, plan.Task],
) -> tuple[dict[str, RatedPair], list[str]]:
    """Returns good rows by task, and what is wrong with the bad ones."""
    rows: dict[str, RatedPair] = {}
    problems: list[str] = []
    seen: set[tuple[Any, ...]] = set()
    for place, fields in lines:
        try:
            if isinstance(fields, ValueError):
                raise fields
            found = _rated(fields, by_id)
            if found is None:
                continue
            task, row = found
            if task in rows:
                raise ValueError(f"a second rating of task {task}")
            comparison = (row.rater, row.prompt, frozenset((row.first, row.second)))
            if comparison in seen:
                raise ValueError(f"a second rating of the same clips by {row.rater}")
        except ValueError as error:
            problems.append(f"{place}: {error}")
            continue
        seen.add(comparison)
        rows[task] = row
    return rows, problems


def _rated(
    fields: Fields, by_id: Mapping[str, plan.Task]
) -> tuple[str, RatedPair] | None:
    """Returns the task's id and its rating; None for a task not done yet."""
    name, rater = files.as_text(fields["task"]), files.as_text(fields["rater"])
    task = by_id.get(name)
    if task is None:
        raise ValueError(f"task {name!r} is not in the key")
    cells = [fields[score] for score in files.SCORES]
    if all(cell is None or cell == "" for cell in cells):
        return None
    if not rater:
        raise ValueError(f"the rating of task {name} has no rater")
    first, second = (_score(cell) for cell in cells)
    row = RatedPair(
        rater=rater,
        prompt=task.prompt,
        first=task.first,
        second=task.second,
        scores=(first, second),
    )
    return name, row


def _score(cell: object) -> float:
    score = math.nan
    if isinstance(cell, str | int | float) and not isinstance(cell, bool):
        with contextlib.suppress(ValueError):
            score = float(cell)
    if not LOWEST <= score <= HIGHEST:
        raise ValueError(f"a score must be a number from 1 to 5; got {cell!r}")
    return score


def _all_rows(
    paths: Sequence[pathlib.Path],
) -> Iterator[tuple[str, Fields | ValueError]]:
    """Yields the place of each row of all files, and its fields or what is wrong."""
    for path in paths:
        where = f"{path}, " if len(paths) > 1 else ""
        read = _json_rows if path.suffix.lower() == ".jsonl" else _csv_rows
        for number, fields in read(path):
            yield f"{where}line {number}", fields


def _json_rows(path: pathlib.Path) -> Iterator[tuple[int, Fields | ValueError]]:
    """Yields the number and the fields of each line, or what is wrong with it."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            yield number, ValueError(f"the line is not JSON: {error}")
            continue
        if isinstance(row, dict) and row.keys() >= set(_NEEDED):
            yield number, row
        else:
            yield number, ValueError(f"a row is an object with {', '.join(_NEEDED)}")


def _csv_rows(path: pathlib.Path) -> Iterator[tuple[int, Fields | ValueError]]:
    """Yields the number and the fields of each row, or what is wrong with it."""
    header, following = tables.with_header(path, _NEEDED)
    for row in following:
        if not isinstance(row, tables.Row):
            yield row.row, ValueError(row.reason)
            continue
        try:
            yield row.row, row.named(header)
        except ValueError as error:
            yield row.row, error
