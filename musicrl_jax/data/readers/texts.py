"""Texts from a file: one a line, or JSON lines."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from musicrl_jax.data.readers import items, tables

JSON_LINES = ".jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Text:
    """One text.

    Attributes:
      row: its line, 1 first.
      text: not empty; JSON lines may hold line breaks.
      licence: empty where it is not known.
    """

    row: int
    text: str
    licence: str = ""


def read(path: pathlib.Path) -> Iterator[Text | items.Problem]:
    """Yields the texts in order; empty lines are left out.

    In `.jsonl` files a line is a JSON text, as in caption files, or an object with
    `text` and perhaps `licence`.

    Raises:
      OSError: where the file cannot be read.
    """
    parse = _of_json if path.suffix.lower() == JSON_LINES else _of_line
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for row, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield parse(row, line)
            except ValueError as error:
                yield items.Problem(row=row, name="", reason=str(error))


def _of_line(row: int, line: str) -> Text:
    if tables.broken([line]):
        raise ValueError("the line is not UTF-8 text.")
    return Text(row=row, text=line.strip())


def _of_json(row: int, line: str) -> Text:
    try:
        parsed = json.loads(_of_line(row, line).text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the line is not JSON: {error}.") from error
    fields: dict[str, Any] = parsed if isinstance(parsed, dict) else {"text": parsed}
    text, licence = fields.get("text"), fields.get("licence", "")
    if not isinstance(text, str) or not isinstance(licence, str):
        raise ValueError(
            f"a line is a text, or an object with `text`; got {line.strip()[:60]}."
        )
    if not text.strip():
        raise ValueError("the text is empty.")
    if any(0xD800 <= ord(sign) < 0xE000 for sign in text):
        raise ValueError("the text holds half of a surrogate pair.")
    return Text(row=row, text=text, licence=licence)
