"""Rows with named fields: CSV, JSON lines, or a folder of JSON files."""

import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items, tables

_Parsed = TypeVar("_Parsed")
Record = tuple[int, Mapping[str, Any]]
"""The number of a row, 1 first, and its fields."""


def read(path: pathlib.Path) -> Iterator[Record | items.Problem]:
    """Yields the rows of a `.csv` or `.jsonl` file, or of a folder's `.json` files.

    Raises:
      InputError: for a file of another kind or encoding, or no files in the folder.
      OSError: where a file cannot be read.
    """
    if path.is_dir():
        yield from _folder(path)
    elif path.suffix.lower() == ".jsonl":
        tables.check_encoding(path)
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for row, line in enumerate(file, start=1):
                if line.strip():
                    yield _fields(row, "", line)
    elif path.suffix.lower() == ".csv":
        yield from _table(path)
    else:
        raise errors.InputError(
            f"Rows are read from .csv and .jsonl; got {path}. Convert it, for example "
            "with pandas.read_parquet(...).to_json(..., orient='records', lines=True)."
        )


def parsed(
    found: Iterable[Record | items.Problem], parse: Callable[[Record], _Parsed]
) -> Iterator[_Parsed | items.Problem]:
    """Yields what `parse` makes of each row; a ValueError becomes a problem."""
    for record in found:
        if isinstance(record, items.Problem):
            yield record
            continue
        try:
            yield parse(record)
        except ValueError as error:
            yield items.Problem(row=record[0], name="", reason=str(error))


def _folder(path: pathlib.Path) -> Iterator[Record | items.Problem]:
    files = sorted(path.rglob("*.json"))
    if not files:
        raise errors.InputError(f"{path} has no .json files. Correct the path.")
    for row, file in enumerate(files, start=1):
        content = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
        yield _fields(row, file.relative_to(path).as_posix(), content)


def _fields(row: int, name: str, content: str) -> Record | items.Problem:
    reason = "the row must be a JSON object."
    if tables.broken([content]):
        return items.Problem(row=row, name=name, reason="the row is not UTF-8 text.")
    try:
        fields = json.loads(content)
    except json.JSONDecodeError as error:
        return items.Problem(row=row, name=name, reason=f"{reason[:-1]}; {error}.")
    if not isinstance(fields, dict):
        return items.Problem(row=row, name=name, reason=reason)
    return row, fields


def _table(path: pathlib.Path) -> Iterator[Record | items.Problem]:
    header, found = tables.with_header(path, ())
    first = None if header else next(tables.rows(path), None)
    if isinstance(first, items.Problem):
        raise errors.InputError(
            f"{path} must begin with the names of columns; {first.reason[:-1]}. Save "
            "it as UTF-8 text."
        )
    yield from tables.parsed(found, lambda row: (row.row, row.named(header)))
