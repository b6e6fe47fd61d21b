"""AIME-survey: 15,600 comparisons of ten-second parts of generated tracks.

Columns `question-type, description, model-1, track-1-id, track-1-begin, track-1-end,
model-2, track-2-id, ..., answer`; `answer` is 1 or 2, times are `HH:MM:SS`. The data
set is parquet (https://huggingface.co/datasets/disco-eth/AIME-survey, CC BY 4.0); here
it is read as CSV or JSON lines. Recordings are named by their `id` in the AIME data
set, with or without leading zeros. Who answered is not told.
"""

import pathlib
from collections.abc import Iterator

from musicrl_jax.data import preference_rows
from musicrl_jax.data.readers import items, records, votes

SOURCE, LICENCE = "aime_survey", "CC-BY-4.0"
CHOICES = {1: preference_rows.FIRST, 2: preference_rows.SECOND}
QUALITY = "music quality"
_WIDTHS = (4, 5, 6)


def read_votes(
    path: pathlib.Path, licence: str = ""
) -> Iterator[votes.Vote | items.Problem]:
    """Yields the comparisons in order.

    Args:
      path: `.csv` or `.jsonl`.
      licence: in place of the data set's own.

    Raises:
      InputError: for a file of another kind.
      OSError: where it cannot be read.
    """

    def parse(record: records.Record) -> votes.Vote:
        row, fields = record
        answer = votes.number(fields, "answer")
        if answer not in CHOICES:
            raise ValueError(f"answer must be 1 or 2; got {fields.get('answer')!r}.")
        about_music = votes.text(fields, "question-type").lower() == QUALITY
        return votes.Vote(
            row=row,
            identity=str(row),
            prompt=votes.text(fields, "description"),
            clip_a=_clip(fields, 1),
            clip_b=_clip(fields, 2),
            choice=CHOICES[int(answer)],
            source=SOURCE,
            licence=licence or LICENCE,
            question=votes.MUSIC if about_music else votes.ADHERENCE,
        )

    yield from records.parsed(records.read(path), parse)


def _clip(fields: votes.Fields, side: int) -> votes.Clip:
    identity = votes.text(fields, f"track-{side}-id").removesuffix(".0")
    if not identity.isdigit():
        raise ValueError(f"track-{side}-id must be a number; got {identity!r}.")
    name = f"track-{side}-end"
    end = votes.text(fields, name) if name in fields else ""
    padded = (identity.zfill(width) for width in _WIDTHS)
    return votes.Clip(
        places=tuple(dict.fromkeys((identity, str(int(identity)), *padded))),
        begin_seconds=_seconds(votes.text(fields, f"track-{side}-begin")),
        end_seconds=_seconds(end) if end else None,
        model=votes.text(fields, f"model-{side}"),
    )


def _seconds(time: str) -> float:
    """Returns the seconds of `HH:MM:SS`."""
    try:
        hours, minutes, seconds = (float(part) for part in time.split(":"))
    except ValueError as error:
        raise ValueError(f"a time must look like 00:00:53; got {time!r}.") from error
    return 3600 * hours + 60 * minutes + seconds
