"""What a command prints: results on standard output, one line of error on the other."""

import dataclasses
import json
import math
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from musicrl_jax.core import errors

Result = Any
"""Whatever a run function returns: a dataclass, a mapping, a text or nothing."""


def show(result: Result, *, as_json: bool) -> None:
    """Prints a result: as JSON, or as lines `name: value`, or records as a table."""
    if as_json:
        print(json.dumps(plain(result), indent=2, ensure_ascii=False))
        return
    value = plain(result)
    if isinstance(value, dict):
        width = max((len(name) for name in value), default=0)
        for name, item in value.items():
            if _is_table(item):
                print(f"{name}:\n{_table(item)}\n")
            else:
                print(f"{name + ':':<{width + 1}} {item}")
    elif _is_table(value):
        print(_table(value))
    elif value is not None:
        print(value)


def _is_table(value: Result) -> bool:
    """Returns whether a value is records with the same fields."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    return all(isinstance(x, dict) and list(x) == list(value[0]) for x in value)


def _table(records: list[dict[str, Any]]) -> str:
    """Returns records with the same fields as aligned columns under their names."""
    cells = [list(records[0]), *([str(x) for x in row.values()] for row in records)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


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
        # JSON knows finite numbers only.
        finite = not isinstance(value, float) or math.isfinite(value)
        return value if finite else None
    if isinstance(value, pathlib.PurePath):
        return str(value)
    to_list = getattr(value, "tolist", None)
    return str(value) if to_list is None else to_list()


def error(message: str) -> None:
    """Prints one line on standard error."""
    print(f"musicrl: {' '.join(message.split())}", file=sys.stderr)


def end_at_once(reason: errors.MusicRLError) -> None:
    """Prints an error and ends the process, whatever its threads are doing."""
    error(str(reason))
    sys.stderr.flush()
    os._exit(reason.exit_code)
