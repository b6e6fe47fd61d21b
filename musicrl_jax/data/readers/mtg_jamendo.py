"""MTG-Jamendo: TSV files such as `autotagging.tsv`, tags of Jamendo tracks.

Columns `TRACK_ID ARTIST_ID ALBUM_ID PATH DURATION TAGS`, and each further tag is a
further column: `genre---rock`, `instrument---guitar`, `mood/theme---happy`. Licences
stand in `audio_licenses.txt` (see `licences`); the metadata is CC BY-NC-SA 4.0.
"""

import pathlib
from collections.abc import Iterator

from musicrl_jax.data.readers import items, tables

COLUMNS = ("TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS")
LABELS = {"genre": "genre", "instrument": "instrument", "mood/theme": "mood"}


def read_items(path: pathlib.Path) -> Iterator[items.Item | items.Problem]:
    """Yields the tracks; their tags are labels, and as one text the caption.

    The audio is `<PATH>`, or with `.low.mp3` for `.mp3`.

    Raises:
      InputError: where a column is missing.
      OSError: where the file cannot be read.
    """
    found = tables.rows(path, delimiter="\t", quoted=False)
    first = next(found, None)
    header = first.cells if isinstance(first, tables.Row) else ()
    tables.check_columns(path, header, COLUMNS)
    yield from tables.parsed(found, _parse)


def _parse(row: tables.Row) -> items.Item:
    fixed = COLUMNS[:-1]
    fields = _without_tags(row).named(fixed)
    tags: dict[str, list[str]] = {}
    for tag in filter(None, (cell.strip() for cell in row.cells[len(fixed) :])):
        kind, mark, name = tag.partition("---")
        if not mark or kind not in LABELS or not name:
            raise ValueError(f"tags must look like genre---rock; got {tag!r}.")
        tags.setdefault(LABELS[kind], []).append(name)
    names = ", ".join(name for kind in tags.values() for name in kind)
    return items.Item(
        row=row.row,
        identity=tables.text(fields, "TRACK_ID"),
        places=(tables.text(fields, "PATH"),),
        captions=(names,) if names else (),
        attributes={kind: ", ".join(kinds) for kind, kinds in tags.items()},
    )


def _without_tags(row: tables.Row) -> tables.Row:
    """Returns the row without its tags."""
    return tables.Row(row=row.row, cells=row.cells[: len(COLUMNS) - 1])
