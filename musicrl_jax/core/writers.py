"""Metric writers: JSON lines, memory, several at once."""

import json
import numbers
import os
import pathlib
from collections.abc import Mapping, Sequence

from musicrl_jax.core import protocols


class JsonLinesWriter:
    """Appends one JSON object a call: `{"step": 3, "reward/total": 0.5, ...}`."""

    def __init__(self, path: pathlib.Path) -> None:
        """Opens a file, where it is there to go on; a torn last line stays alone."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        if path.is_file() and not _ends_whole(path):
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def newest_step(self) -> int | None:
        """Returns the highest step of a row; None where there is no row."""
        rows = read_json_lines(self._path) if self._path.is_file() else []
        return max((int(row["step"]) for row in rows), default=None)

    def keep_until(self, step: int) -> None:
        """Removes rows after `step`, which come again, and torn lines."""
        if not self._path.is_file():
            return
        rows = [row for row in read_json_lines(self._path) if row["step"] <= step]
        draft = self._path.with_name(f".{self._path.name}")
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        draft.write_text(lines, encoding="utf-8")
        draft.replace(self._path)

    def write(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Appends one line and closes the file, so that a reader sees it whole."""
        row = {"step": int(step)} | {name: _plain(x) for name, x in scalars.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _ends_whole(path: pathlib.Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        return file.read() in (b"", b"\n")


def _plain(value: float | int) -> float | int:
    """Returns what JSON knows; counts stay whole numbers."""
    return int(value) if isinstance(value, numbers.Integral) else float(value)


class MemoryWriter:
    """Keeps `(step, scalars)` rows in a list (tests, notebooks)."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float | int]]] = []

    def write(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Appends one row."""
        self.rows.append((step, dict(scalars)))


class ManyWriters:
    """Passes rows and samples on to several writers, to each what it takes."""

    def __init__(
        self, writers: Sequence[protocols.MetricWriter | protocols.SampleWriter]
    ) -> None:
        self._writers = tuple(writers)

    def write(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Writes the row to each that takes numbers."""
        for writer in self._writers:
            if isinstance(writer, protocols.MetricWriter):
                writer.write(step, scalars)

    def write_samples(self, step: int, samples: protocols.Samples) -> None:
        """Writes the sounds to each that takes them."""
        for writer in self._writers:
            if isinstance(writer, protocols.SampleWriter):
                writer.write_samples(step, samples)


def read_json_lines(path: pathlib.Path) -> list[dict[str, float | int]]:
    """Returns the rows of a `JsonLinesWriter` file; torn lines are left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows
