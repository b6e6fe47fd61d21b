"""What a command prints: results on standard output, one line of error on the other."""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

Result = Any
"""Whatever a run function returns: a dataclass, a mapping, a text or nothing."""


def show(result: Result, *, as_json: bool) -> None:
    """Prints a result: as JSON, or as plain lines `name: value`."""
    if as_json:
        print(json.dumps(plain(result), indent=2, ensure_ascii=False))
        return
    value = plain(result)
    if isinstance(value, dict):
        width = max((len(name) for name in value), default=0)
        for name, item in value.items():
            print(f"{name + ':':<{width + 1}} {item}")
    elif value is not None:
        print(value)


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Prints rows under their columns' names; numbers are grouped by thousands."""
    cells = [[_cell(row[name]) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in ([*columns], *cells):
        padded = (cell.ljust(n) for cell, n in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def _cell(value: Result) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(item)}" for name, item in value.items())
    return f"{value:,}" if isinstance(value, int) else str(value)


def plain(value: Result) -> Result:
    """Turns dataclasses, paths and array scalars into what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, pathlib.PurePath):
        return str(value)
    to_list = getattr(value, "tolist", None)
    return str(value) if to_list is None else to_list()


def error(message: str) -> None:
    """Prints one line on standard error."""
    print(f"musicrl: {' '.join(message.split())}", file=sys.stderr)
