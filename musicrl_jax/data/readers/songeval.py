"""SongEval: experts' ratings of whole songs, made into preferences.

`metadata.jsonl` has `file_name` and `annotation`, a list with one object a rater:
`Coherence, Musicality, Memorability, Clarity, Naturalness`, 1 to 5
(https://huggingface.co/datasets/ASLP-lab/SongEval, CC BY-NC-SA 4.0).

The songs have no prompts and no song has a partner. So each song is compared with the
next one of the file, for musicality, under the prompt "a song": what learns from this
must not be asked about text.
"""

import pathlib
from collections.abc import Iterator

from musicrl_jax.data.readers import items, rated_clips, records, votes

SOURCE, LICENCE = "songeval", "CC-BY-NC-SA-4.0"
PROMPT = "a song"
MUSICALITY = "Musicality"


def read_votes(
    path: pathlib.Path, licence: str = ""
) -> Iterator[votes.Vote | items.Problem]:
    """Yields a vote for every two songs that follow one another.

    Args:
      path: `metadata.jsonl`.
      licence: in place of the data set's own.

    Raises:
      InputError: for a file of another kind.
      OSError: where it cannot be read.
    """
    waiting: rated_clips.RatedClip | None = None
    for song in records.parsed(records.read(path), _song):
        if isinstance(song, items.Problem):
            yield song
        elif waiting is None:
            waiting = song
        else:
            yield rated_clips.vote(
                PROMPT, waiting, song, source=SOURCE, licence=licence or LICENCE
            )
            waiting = None


def _song(record: records.Record) -> rated_clips.RatedClip:
    """Returns a song with its mean musicality."""
    row, fields = record
    raters = fields.get("annotation")
    if not isinstance(raters, list) or not raters:
        raise ValueError("annotation must be a list with an object a rater.")
    scores = [_score(rater) for rater in raters]
    name = votes.text(fields, "file_name")
    return rated_clips.RatedClip(row=row, name=name, score=sum(scores) / len(scores))


def _score(rater: object) -> float:
    """Returns one rater's musicality; sources write its name in several ways."""
    named = {}
    if isinstance(rater, dict):
        named = {str(name).lower(): value for name, value in rater.items()}
    score = votes.number(named, MUSICALITY.lower())
    if score is None:
        raise ValueError(f"each rater must give {MUSICALITY}; got {rater!r}.")
    return score
