"""MusicEval (AudioMOS 2025, track 1): opinion scores, made into preferences.

`sets/*_mos_list.txt` has lines `audiomos2025-track1-S002_P044.wav,3.4,3.2`: recording,
overall impression and textual alignment, 1 to 5. `prompt_info.txt`, a tab-separated
table of `id` and `text`, lies in the folder above or beside; so does
`demo_prompt_info.txt` with the prompts of recordings that have their own. CC BY-NC 4.0.

Each two recordings of one prompt are a vote for the one with the higher impression.
"""

import itertools
import pathlib
from collections.abc import Iterator

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items, rated_clips, tables, votes

SOURCE, LICENCE = "musiceval", "CC-BY-NC-4.0"
PROMPTS = ("prompt_info.txt", "demo_prompt_info.txt")


def read_votes(
    path: pathlib.Path, licence: str = ""
) -> Iterator[votes.Vote | items.Problem]:
    """Yields the pairs by prompt, and the lines that cannot be used before them.

    A recording whose prompt no other has is in no pair.

    Args:
      path: a `*_mos_list.txt`.
      licence: in place of the data set's own.

    Raises:
      InputError: where `prompt_info.txt` is missing or has other columns.
      OSError: where a file cannot be read.
    """
    prompts = _prompts(path)
    rated: dict[str, list[rated_clips.RatedClip]] = {}
    for line in tables.parsed(tables.rows(path), _score):
        if isinstance(line, items.Problem):
            yield line
            continue
        own = pathlib.PurePosixPath(line.name).stem.rpartition("_")[2]
        prompt = prompts.get(line.name) or prompts.get(own)
        if prompt is None:
            reason = f"{PROMPTS[0]} has no prompt {own!r}."
            yield items.Problem(row=line.row, name=line.name, reason=reason)
        else:
            rated.setdefault(prompt, []).append(line)
    for prompt, several in rated.items():
        for one, other in itertools.combinations(several, 2):
            yield rated_clips.vote(
                prompt, one, other, source=SOURCE, licence=licence or LICENCE
            )


def _prompts(path: pathlib.Path) -> dict[str, str]:
    """Returns the prompts by the ids of prompts and of recordings."""
    found: dict[str, str] = {}
    for name in PROMPTS:
        places = (path.parent / name, path.parent.parent / name)
        table = next((place for place in places if place.is_file()), None)
        if table is None and name == PROMPTS[0]:
            raise errors.InputError(
                f"{name} must lie beside {path} or in the folder above; it does not. "
                "Put it there."
            )
        if table is not None:
            found |= _texts(table)
    return found


def _texts(table: pathlib.Path) -> dict[str, str]:
    rows = tables.rows(table, delimiter="\t", quoted=False)
    first = next(rows, None)
    header = [c.strip() for c in first.cells] if isinstance(first, tables.Row) else []
    tables.check_columns(table, header, ("id", "text"))
    good = (row.named(header) for row in rows if isinstance(row, tables.Row))
    return {fields["id"]: fields["text"] for fields in good}


def _score(row: tables.Row) -> rated_clips.RatedClip:
    """Returns a line's recording with its impression."""
    if len(row.cells) < 2:
        raise ValueError(f"a line has recording and scores; got {row.cells!r}.")
    name = row.cells[0].strip()
    # S002 of audiomos2025-track1-S002_P044.wav.
    system = pathlib.PurePosixPath(name).stem.rpartition("_")[0].rpartition("-")[2]
    return rated_clips.RatedClip(
        row=row.row, name=name, score=float(row.cells[1]), model=system
    )
