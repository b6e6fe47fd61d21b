"""A small panel judges pairs whose preference is on record (paper, section 3.3).

The paper's team took 156 pairs of its users' preferences and agreed on 60 %.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from musicrl_jax.core import errors
from musicrl_jax.data.readers import tables
from musicrl_jax.evaluation import agreement, proportions
from musicrl_jax.evaluation.studies import files

CHOICES = ("a", "b")
NO_CHOICE = ("", "tie", "draw", "equal", "same", "both", "neither", "none")
"""Labels of a judgement that is for neither side."""
_NEEDED = ("pair_id", "label")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PanelResult:
    """A panel against recorded preferences.

    Attributes:
      pairs: that both chose a side of; the trials of the test.
      agree: pairs on which they chose the same.
      accuracy: agree / pairs.
      low: lower end of Wilson's 95 % interval.
      high: its upper end.
      p_value: of the exact two-sided test against one half, chance.
      kappa: Cohen's; NaN where all choices are the same.
      undecided: judged pairs without a majority of the panel.
      unrecorded: judged pairs without a recorded side.
      unjudged: recorded pairs that the panel did not judge.
    """

    pairs: int
    agree: int
    accuracy: float
    low: float
    high: float
    p_value: float
    kappa: float
    undecided: int
    unrecorded: int
    unjudged: int


def read_choices(path: pathlib.Path) -> tuple[tuple[str, str], ...]:
    """Reads (pair, label) from CSV or `.jsonl` with the fields pair_id and label.

    Labels are one of `CHOICES` or `NO_CHOICE`, in upper or lower case.

    Raises:
      InputError: where a row cannot be used; it says which.
      OSError: where the file cannot be read.
    """
    lines = _json_rows(path) if path.suffix.lower() == ".jsonl" else _csv_rows(path)
    found = []
    for number, fields in lines:
        pair, label = (files.as_text(fields.get(name)) for name in _NEEDED)
        if not pair:
            raise errors.InputError(
                f"Each row of {path} needs {' and '.join(_NEEDED)}; line {number} has "
                "no pair_id. Mend it."
            )
        if label.lower() not in CHOICES + NO_CHOICE:
            raise errors.InputError(
                f"A label is {' or '.join(CHOICES)}, or for no choice empty or "
                f"{', '.join(NO_CHOICE[1:])}; line {number} of {path} has {label!r}. "
                "Mend it."
            )
        found.append((pair, label.lower()))
    return tuple(found)


def compare(
    recorded: Sequence[tuple[str, str]], judged: Sequence[tuple[str, str]]
) -> PanelResult:
    """Compares the panel's majority on each pair with the recorded choice.

    Labels other than `CHOICES`, such as ties, are no choice. Where several members
    judged a pair, their majority is one trial, so that the trials are independent.

    Raises:
      InputError: where no pair has both, or a pair is recorded twice.
    """
    known = dict(recorded)
    if len(known) < len(recorded):
        raise errors.InputError(
            f"Each pair has one recorded preference; {len(recorded)} rows are about "
            f"{len(known)} pairs. Remove the repeated ones."
        )
    votes: dict[str, int] = {}
    for pair, label in judged:
        vote = (label == CHOICES[0]) - (label == CHOICES[1])
        votes[pair] = votes.get(pair, 0) + vote
    recorded_side = {pair: side for pair, side in known.items() if side in CHOICES}
    shared = [pair for pair in votes if pair in recorded_side and votes[pair]]
    if not shared:
        raise errors.InputError(
            f"Panel and record need pairs that both chose a side of; {len(votes)} are "
            f"judged, {len(recorded_side)} recorded. Check pair_id and label."
        )
    theirs = np.array([float(recorded_side[pair] == CHOICES[0]) for pair in shared])
    ours = np.array([float(votes[pair] > 0) for pair in shared])
    found = proportions.share_of(int(np.sum(theirs == ours)), len(shared))
    return PanelResult(
        pairs=found.total,
        agree=found.count,
        accuracy=found.share,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        kappa=agreement.cohen_kappa(theirs, ours),
        undecided=sum(
            pair in recorded_side and not vote for pair, vote in votes.items()
        ),
        unrecorded=sum(pair not in recorded_side for pair in votes),
        unjudged=sum(pair not in votes for pair in recorded_side),
    )


def _json_rows(path: pathlib.Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise _unusable(path, number, str(error)) from error
        if not isinstance(row, dict):
            raise _unusable(path, number, "it is no JSON object")
        yield number, row


def _csv_rows(path: pathlib.Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    header, following = tables.with_header(path, _NEEDED)
    for row in following:
        if not isinstance(row, tables.Row):
            raise _unusable(path, row.row, row.reason)
        try:
            yield row.row, row.named(header)
        except ValueError as error:
            raise _unusable(path, row.row, str(error)) from error


def _unusable(path: pathlib.Path, line: int, reason: str) -> errors.InputError:
    return errors.InputError(
        f"Each row of {path} must be whole; line {line} is not: {reason} Mend it."
    )
