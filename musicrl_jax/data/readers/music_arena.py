"""Music Arena: one JSON file a battle, below `battle_data`.

Users write a prompt, listen to two systems and may vote `A`, `B`, `TIE` or `BOTH_BAD`
(https://huggingface.co/datasets/music-arena/music-arena-dataset, CC BY 4.0). The
recordings are `audio_a` and `audio_b`; of some systems they are not released and the
field is empty.
"""

import pathlib
from collections.abc import Iterator

from musicrl_jax.data import preference_rows
from musicrl_jax.data.readers import items, records, votes

SOURCE, LICENCE = "music_arena", "CC-BY-4.0"
CHOICES = {
    "A": preference_rows.FIRST,
    "B": preference_rows.SECOND,
    "TIE": preference_rows.TIE,
    "BOTH_BAD": None,
}


def read_votes(
    path: pathlib.Path, licence: str = ""
) -> Iterator[votes.Vote | items.Problem]:
    """Yields the battles of a folder, by the names of their files.

    Args:
      path: the folder.
      licence: in place of the data set's own.

    Raises:
      InputError: where the folder has no JSON files.
      OSError: where a file cannot be read.
    """

    def parse(record: records.Record) -> votes.Vote | items.Problem:
        row, fields = record
        identity = votes.text(fields, "battle_uuid")
        if not (votes.text(fields, "audio_a") and votes.text(fields, "audio_b")):
            reason = "the recordings of one of its systems are not released."
            return items.Problem(row=row, name=identity, reason=reason, absent=True)
        preference = votes.text(fields, "preference")
        if preference not in CHOICES:
            raise ValueError(
                f"preference must be {', '.join(CHOICES)}; got {preference!r}."
            )
        return votes.Vote(
            row=row,
            identity=identity,
            prompt=votes.text(fields, "prompt"),
            clip_a=_clip(fields, "a"),
            clip_b=_clip(fields, "b"),
            choice=CHOICES[preference],
            user=votes.text(fields, "user_pseudonym"),
            source=SOURCE,
            licence=licence or LICENCE,
        )

    yield from records.parsed(records.read(path), parse)


def _clip(fields: votes.Fields, side: str) -> votes.Clip:
    return votes.Clip(
        places=(votes.text(fields, f"audio_{side}"),),
        listened_seconds=votes.number(fields, f"total_listening_time_{side}"),
        model=votes.text(fields, f"system_{side}"),
    )
