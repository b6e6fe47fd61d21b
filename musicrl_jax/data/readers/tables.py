"""Tables as text, row by row: fields of many lines, and rows that are broken."""

import ast
import codecs
import csv
import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items

_Parsed = TypeVar("_Parsed")
DELIMITERS = (",", ";", "\t")
_BYTE = range(0xDC80, 0xDD00)  # how "surrogateescape" writes what is not UTF-8
_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # and so of UTF-32
_HEAD = 4096  # bytes that tell whether a file is text
_LONGEST_LIST = 20_000  # characters; Python's parser may fail on longer nonsense


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """The cells of one row.

    Attributes:
      row: the line of the file on which it starts, 1 first.
      cells: their texts.
    """

    row: int
    cells: tuple[str, ...]

    def named(self, header: Sequence[str]) -> dict[str, str]:
        """Returns the cells by column, without white space around them.

        Raises:
          ValueError: where there are more or fewer cells than columns.
        """
        if len(self.cells) != len(header):
            raise ValueError(
                f"the row has {len(self.cells)} fields; the header has {len(header)}."
            )
        stripped = (cell.strip() for cell in self.cells)
        return dict(zip(header, stripped, strict=True))


def rows(
    path: pathlib.Path, *, delimiter: str = ",", quoted: bool = True
) -> Iterator[Row | items.Problem]:
    """Yields the rows of a table that are not empty, its header among them.

    Quotation marks are taken strictly: one that is missing costs a few rows, which are
    reported, instead of hiding all that follow.

    Args:
      path: the file.
      delimiter: between cells.
      quoted: whether quotation marks enclose cells; otherwise they are letters.

    Raises:
      InputError: see `check_encoding`.
      OSError: where the file cannot be read.
    """
    check_encoding(path)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        reader = csv.reader(file, delimiter=delimiter, quoting=quoting, strict=True)
        while True:
            start = reader.line_num + 1
            try:
                cells = tuple(next(reader))
            except StopIteration:
                return
            except csv.Error as error:
                yield items.Problem(row=start, name="", reason=f"{error}.")
                continue
            if broken(cells):
                yield items.Problem(
                    row=start, name="", reason="the row is not UTF-8 text."
                )
            elif any(cell.strip() for cell in cells):
                yield Row(row=start, cells=cells)


def with_header(
    path: pathlib.Path, needed: Sequence[str]
) -> tuple[list[str], Iterator[Row | items.Problem]]:
    """Returns the column names of a CSV file with one header row, and what follows it.

    The header tells which of `DELIMITERS` stands between cells. Needed columns may be
    written in other cases; their names are returned as in `needed`.

    Raises:
      InputError: where a needed column is missing; see `check_encoding`, too.
      OSError: where the file cannot be read.
    """
    headers = {mark: _header(path, mark, needed) for mark in DELIMITERS}

    def fit(mark: str) -> tuple[int, int]:
        return len(set(needed) & set(headers[mark])), len(headers[mark])

    delimiter = max(DELIMITERS, key=fit)
    check_columns(path, headers[delimiter], needed)
    following = rows(path, delimiter=delimiter)
    next(following, None)
    return headers[delimiter], following


def check_columns(
    path: pathlib.Path, header: Sequence[str], needed: Sequence[str]
) -> None:
    """Raises InputError where `header` lacks a column that is needed."""
    if missing := [name for name in needed if name not in header]:
        raise errors.InputError(
            f"{path} needs the columns {', '.join(needed)}; it lacks "
            f"{', '.join(missing)}. Columns found: {', '.join(header) or 'none'}. "
            "Check that it is the file of this data set."
        )


def _header(path: pathlib.Path, delimiter: str, needed: Sequence[str]) -> list[str]:
    """Returns the names in the first row, those of needed columns as they are there."""
    first = next(rows(path, delimiter=delimiter), None)
    if not isinstance(first, Row):
        return []
    spelling = {name.casefold(): name for name in needed}
    names = (cell.strip() for cell in first.cells)
    return [spelling.get(name.casefold(), name) for name in names]


def parsed(
    found: Iterable[Row | items.Problem], parse: Callable[[Row], _Parsed]
) -> Iterator[_Parsed | items.Problem]:
    """Yields what `parse` makes of each row; a ValueError becomes a problem."""
    for row in found:
        if isinstance(row, items.Problem):
            yield row
            continue
        try:
            yield parse(row)
        except ValueError as error:
            yield items.Problem(row=row.row, name=row.cells[0], reason=str(error))


def check_encoding(path: pathlib.Path) -> None:
    """Raises InputError for UTF-16 and files that are no text; OSError as `rows`."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(_OTHER_MARKS) or 4 * head.count(0) > len(head):
        raise errors.InputError(
            f"{path} must be UTF-8 text; it is UTF-16 or no text. Save it as UTF-8, or "
            "correct the path."
        )


def broken(texts: Iterable[str]) -> bool:
    """Returns whether a text read with "surrogateescape" was not UTF-8."""
    return any(ord(sign) in _BYTE for text in texts for sign in text)


def listed(fields: Mapping[str, str], column: str) -> tuple[str, ...]:
    """Returns a cell that holds a Python list, such as `['rock', 'fast']`, as texts.

    A missing column and an empty cell are no entries.

    Raises:
      ValueError: for anything but a list of texts that UTF-8 can hold, and for a cell
        of more than 20,000 characters.
    """
    cell = fields.get(column, "")
    if not cell:
        return ()
    unsuitable = f"{column} must be a list; got {cell[:60]!r}."
    if len(cell) > _LONGEST_LIST:
        raise ValueError(f"{unsuitable[:-1]} and more.")
    try:
        value = ast.literal_eval(cell)
    # Deep nesting costs the parser its memory or its stack.
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(unsuitable) from error
    if not isinstance(value, list):
        raise ValueError(unsuitable)
    entries = [" ".join(str(entry).split()) for entry in value]
    if _broken_pairs(entries):
        raise ValueError(f"{column} has half a surrogate pair; got {cell[:60]!r}.")
    return tuple(dict.fromkeys(entry for entry in entries if entry))


def _broken_pairs(texts: Iterable[str]) -> bool:
    return any(0xD800 <= ord(sign) < 0xE000 for text in texts for sign in text)


def text(fields: Mapping[str, str], column: str) -> str:
    """Returns a cell's text on one line.

    Raises:
      ValueError: where it has none.
    """
    if not (words := fields[column].split()):
        raise ValueError(f"{column} must have text; it is empty.")
    return " ".join(words)
