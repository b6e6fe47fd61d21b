"""What every reader yields: an item, or what is wrong with a row."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """One row of a data set: what it says of one recording.

    Attributes:
      row: line of the file on which the row starts, 1 first; for a folder, the place of
        the file among the sorted ones.
      identity: no other row has the same.
      places: paths below the audio folder where the recording may be, the likeliest
        first; see `audio_folder.AudioFolder.find`.
      captions: each with text; may be none.
      attributes: labels such as `{"genre": "tango"}`.
      licence: of the recording; empty where the row does not say it.
    """

    row: int
    identity: str
    places: tuple[str, ...]
    captions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    licence: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A row that was left out, or what was left out of it.

    Attributes:
      row: as `Item.row`.
      name: the row's file or identity, as far as it is known.
      reason: what is wrong, for a person to read.
      absent: whether the row is good, but its recording is not there.
      kept: whether the recording is used all the same, without its captions.
    """

    row: int
    name: str
    reason: str
    absent: bool = False
    kept: bool = False


def write_problems(path: pathlib.Path, problems: Iterable[Problem]) -> None:
    """Writes what was left out, a JSON object a line; empty where nothing was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for problem in problems:
            fields = {"row": problem.row, "name": problem.name} | {
                "reason": problem.reason
            }
            text = json.dumps(fields, ensure_ascii=False)
            # Names of files that are not UTF-8 hold characters that no file may.
            file.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def check_share(
    source: str, good: int, bad: Sequence[Problem], max_bad_share: float, listed: str
) -> None:
    """Refuses a source without good rows or with too many bad ones.

    Args:
      source: what was read, for the message.
      good: number of good rows.
      bad: the others.
      max_bad_share: of all rows, 0 to 1.
      listed: the file that lists the bad rows.

    Raises:
      InputError: counts the rows and gives the first reason, or says that there are
        none.
    """
    if good and len(bad) <= max_bad_share * (good + len(bad)):
        return
    if not good and not bad:
        raise errors.InputError(
            f"{source} must have rows; there are no rows in it. Check that it is the "
            "right one."
        )
    raise errors.InputError(
        f"{source} has {good} good and {len(bad)} bad rows; at most "
        f"{max_bad_share:.0%} may be bad. First: row {bad[0].row}: {bad[0].reason} "
        f"Mend the rows that {listed} lists, or allow a larger share."
    )
