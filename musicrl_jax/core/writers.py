"""Metric writers: JSON lines, memory, several at once."""

import json
import numbers
import pathlib
from collections.abc import Mapping, Sequence

from musicrl_jax.core import protocols


class JsonLinesWriter:
    """Appends one JSON object a call: `{"step": 3, "reward/total": 0.5, ...}`."""

    def __init__(self, path: pathlib.Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def write(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Appends one line and closes the file, so that a reader sees it whole."""
        row = {"step": int(step)} | {name: _plain(x) for name, x in scalars.items()}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


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
    """Returns the rows of a `JsonLinesWriter` file; a torn last line is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
