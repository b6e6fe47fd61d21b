"""The Free Music Archive data set: `tracks.csv` of `fma_metadata.zip`.

Its header has two rows, group and name (`track`, `title`), and below them a row with
nothing but `track_id`. Fields have line breaks. `genres.csv` gives the names of the
genres' numbers and is read where it lies beside. (Defferrard et al., 2017; metadata CC
BY 4.0, each recording under the licence in its row.)
"""

import pathlib
from collections.abc import Iterator, Mapping

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items, tables

ID = "track_id"
COLUMNS = (ID, "track.genre_top", "track.genres", "track.license", "track.tags")


def read_items(path: pathlib.Path) -> Iterator[items.Item | items.Problem]:
    """Yields the tracks; genres and tags, as one text, are the caption.

    The audio of track 2 is `000/000002.mp3`.

    Raises:
      InputError: where a column is missing, or `genres.csv` is damaged.
      OSError: where the file cannot be read.
    """
    found = tables.rows(path)
    header = _header(path, next(found, None), next(found, None))
    titles = _genre_titles(path.with_name("genres.csv"))

    def parse(row: tables.Row) -> items.Item:
        return _item(row.row, row.named(header), titles)

    data = (row for row in found if not _names_the_index(row))
    yield from tables.parsed(data, parse)


def _header(
    path: pathlib.Path,
    groups: tables.Row | items.Problem | None,
    names: tables.Row | items.Problem | None,
) -> list[str]:
    """Returns the columns as `group.name`; InputError where they are others."""
    header: list[str] = []
    if isinstance(groups, tables.Row) and isinstance(names, tables.Row):
        pairs = zip(groups.cells, names.cells, strict=False)
        header = [f"{group.strip()}.{name.strip()}" for group, name in pairs]
        header[0] = ID if header[0] == "." else header[0]
    tables.check_columns(path, header, COLUMNS)
    return header


def _names_the_index(row: tables.Row | items.Problem) -> bool:
    return isinstance(row, tables.Row) and row.cells[0] == ID and not any(row.cells[1:])


def _item(row: int, fields: Mapping[str, str], titles: Mapping[str, str]) -> items.Item:
    if not (fields[ID].isascii() and fields[ID].isdigit()):
        raise ValueError(f"{ID} must be a number; got {fields[ID]!r}.")
    number = f"{int(fields[ID]):06d}"
    top = fields["track.genre_top"]
    known = (titles.get(genre, "") for genre in tables.listed(fields, "track.genres"))
    genres = [genre for genre in dict.fromkeys((top, *known)) if genre]
    tags = dict.fromkeys((*genres, *tables.listed(fields, "track.tags")))
    caption = ", ".join(tags)
    labels = {"genre": top or (genres[0] if genres else "")}
    labels["genres"] = ", ".join(genres)
    return items.Item(
        row=row,
        identity=number,
        places=(f"{number[:3]}/{number}.mp3",),
        captions=(caption,) if caption else (),
        attributes={name: text for name, text in labels.items() if text},
        licence=fields["track.license"],
    )


def _genre_titles(path: pathlib.Path) -> dict[str, str]:
    """Returns genres' names by number; none where there is no such file."""
    if not path.is_file():
        return {}
    header, found = tables.with_header(path, ("genre_id", "title"))
    titles = {}
    for row in tables.parsed(found, lambda row: row.named(header)):
        if isinstance(row, items.Problem):
            raise errors.InputError(
                f"{path} must be whole; row {row.row}: {row.reason} Unpack it again."
            )
        titles[row["genre_id"]] = row["title"]
    return titles
