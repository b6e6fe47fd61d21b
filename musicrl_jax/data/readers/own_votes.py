"""Votes of your own: which of two clips of a prompt somebody preferred.

CSV or JSON lines with the fields `prompt, audio_a, audio_b` (files below the audio
folder) and `choice` (`a`, `b`, `tie`, or nothing where nothing was chosen), and where
they are known `user`, `confidence` (0 to 1), `listened_a`, `listened_b` (seconds),
`model_a`, `model_b`. `musicrl study analyse --votes_out` writes such a file.

A user chooses once between two clips of a prompt; where the user is not known, every
row is a vote of its own.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

from musicrl_jax.data import preference_rows
from musicrl_jax.data.readers import items, records, votes

SOURCE, LICENCE = "own", "own"
UNKNOWN = "unknown"
CHOICES = {
    "a": preference_rows.FIRST,
    "b": preference_rows.SECOND,
    "tie": preference_rows.TIE,
    "": None,
}


def read_votes(
    path: pathlib.Path, licence: str = ""
) -> Iterator[votes.Vote | items.Problem]:
    """Yields the votes in the order of the file.

    Args:
      path: `.jsonl` or `.csv`; names of fields may be in upper or lower case.
      licence: of the recordings and votes; without one they are marked as your own.

    Raises:
      InputError: for a file of another kind.
      OSError: where it cannot be read.
    """

    def parse(record: records.Record) -> votes.Vote:
        row, named = record
        fields = {name.lower(): value for name, value in named.items()}
        choice = votes.text(fields, "choice").lower()
        if choice not in CHOICES:
            raise ValueError(f"choice must be a, b, tie or empty; got {choice!r}.")
        vote = votes.Vote(
            row=row,
            identity=str(row),
            prompt=votes.text(fields, "prompt"),
            clip_a=_clip(fields, "a"),
            clip_b=_clip(fields, "b"),
            choice=CHOICES[choice],
            user=_known(fields, "user") or UNKNOWN,
            source=SOURCE,
            licence=licence or LICENCE,
            confidence=votes.number(fields, "confidence"),
        )
        return dataclasses.replace(vote, identity=_identity(vote))

    yield from records.parsed(records.read(path), parse)


def _identity(vote: votes.Vote) -> str:
    """Returns who chose between what, or the row where that is not known."""
    if vote.user == UNKNOWN or vote.choice is None:
        return str(vote.row)
    first, second = sorted((*vote.clip_a.places, *vote.clip_b.places))
    return f"{vote.user} on {vote.prompt!r}: {first}, {second}"


def _clip(fields: votes.Fields, side: str) -> votes.Clip:
    if not (place := votes.text(fields, f"audio_{side}")):
        raise ValueError(f"audio_{side} must name a file; it is empty.")
    return votes.Clip(
        places=(place,),
        listened_seconds=votes.number(fields, f"listened_{side}"),
        model=_known(fields, f"model_{side}"),
    )


def _known(fields: votes.Fields, name: str) -> str:
    """Returns a text that need not be there, or nothing."""
    return votes.text(fields, name) if name in fields else ""
