"""CMI-Pref: annotators' choices between two generated clips, with their confidence.

Fields `audio-path, audio2, prompt, preference-musicality` (`model_a`, `model_b` or
empty), `confidence_preference-musicality` (1 to 5), `user id, model_a, model_b`, and
listening times in some versions; others name the recordings `audio-a` and `audio-b` and
the prompt `text`. JSON lines or CSV (https://huggingface.co/datasets/HaiwenXia/cmi-pref).
Its pages speak of two licences, so the licence must be given.
"""

import pathlib
from collections.abc import Iterator

from musicrl_jax.data import preference_rows
from musicrl_jax.data.readers import items, records, votes

SOURCE = "cmi_pref"
CHOICES = {
    "model_a": preference_rows.FIRST,
    "model_b": preference_rows.SECOND,
    "both": preference_rows.TIE,
    "": None,
}
PREFERENCE = "preference-musicality"
_LEAST, _MOST = 1.0, 5.0


def read_votes(
    path: pathlib.Path, licence: str = ""
) -> Iterator[votes.Vote | items.Problem]:
    """Yields who was preferred for musicality, in the order of the file.

    Args:
      path: `.jsonl` or `.csv`.
      licence: of the data set; without one each row is a problem.

    Raises:
      InputError: for a file of another kind.
      OSError: where it cannot be read.
    """

    def parse(record: records.Record) -> votes.Vote:
        row, fields = record
        preference = votes.text(fields, PREFERENCE).lower()
        if preference not in CHOICES:
            raise ValueError(
                f"{PREFERENCE} must be model_a, model_b, both or empty; got "
                f"{preference!r}."
            )
        return votes.Vote(
            row=row,
            identity=str(row),
            prompt=votes.text(fields, "prompt", "text"),
            clip_a=_clip(fields, "a", ("audio-path", "audio-a")),
            clip_b=_clip(fields, "b", ("audio2", "audio-b")),
            choice=CHOICES[preference],
            user=votes.text(fields, "user id", "user_id") or "unknown",
            source=SOURCE,
            licence=licence,
            confidence=_confidence(fields),
        )

    yield from records.parsed(records.read(path), parse)


def _confidence(fields: votes.Fields) -> float | None:
    """Returns points 1 to 5 as 0 to 1."""
    points = votes.number(fields, f"confidence_{PREFERENCE}")
    if points is not None and not _LEAST <= points <= _MOST:
        raise ValueError(f"confidence must lie in [1, 5]; got {points}.")
    return None if points is None else (points - _LEAST) / (_MOST - _LEAST)


def _clip(fields: votes.Fields, side: str, names: tuple[str, str]) -> votes.Clip:
    time = f"total_listening_time_{side}"
    return votes.Clip(
        places=(votes.text(fields, *names),),
        listened_seconds=votes.number(fields, time, time.replace("_", " ")),
        model=votes.text(fields, f"model_{side}"),
    )
