"""The Song Describer Dataset: `song_describer.csv`, up to five captions a recording.

Columns `caption_id, track_id, caption, is_valid_subset, familiarity, artist_id,
album_id, path, duration`, in some versions `genre, instrument, mood/theme` too. The
recordings are the first two minutes of MTG-Jamendo tracks, `<path>` with `.2min.mp3`
for `.mp3`; their licences stand in `audio_licenses.txt` (see `licences`). The captions
are CC BY-SA 4.0. Its authors made it for evaluation and advise against training on it:
a held-out share of 1 keeps it out.
"""

import pathlib
from collections.abc import Iterator

from musicrl_jax.data.readers import items, tables

CAPTION_LICENCE = "CC-BY-SA-4.0"
COLUMNS = ("caption_id", "track_id", "caption", "path")
LABELS = {"genre": "genre", "instrument": "instrument", "mood/theme": "mood"}


def read_items(path: pathlib.Path) -> Iterator[items.Item | items.Problem]:
    """Yields an item for each caption; `joining` unites those of a recording.

    Raises:
      InputError: where a column is missing.
      OSError: where the file cannot be read.
    """
    header, found = tables.with_header(path, COLUMNS)

    def parse(row: tables.Row) -> items.Item:
        fields = row.named(header)
        labels = {"caption_licence": CAPTION_LICENCE} | {
            name: ", ".join(tables.listed(fields, column))
            for column, name in LABELS.items()
        }
        return items.Item(
            row=row.row,
            identity=tables.text(fields, "caption_id"),
            places=(tables.text(fields, "path"),),
            captions=(tables.text(fields, "caption"),),
            attributes={name: text for name, text in labels.items() if text},
        )

    yield from tables.parsed(found, parse)
