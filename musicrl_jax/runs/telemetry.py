"""Where a role writes its numbers: a JSON-lines file, or objects in a bucket."""

import json
import pathlib
from collections.abc import Mapping

from musicrl_jax.core import protocols, writers
from musicrl_jax.transport import store as stores


class StoreWriter:
    """Writes each row as one object, `metrics/<role>/<number>`."""

    def __init__(self, store: stores.Store, role: str) -> None:
        self._store = store
        self._prefix = f"metrics/{role}/"
        self._count = len(store.list(self._prefix))

    def write(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Puts one row."""
        data = json.dumps({"step": int(step)} | dict(scalars)).encode()
        while not self._store.put_if_absent(f"{self._prefix}{self._count:09d}", data):
            self._count += 1
        self._count += 1


def make_writer(run_dir: str, store: stores.Store, role: str) -> protocols.MetricWriter:
    """Returns the writer of `role`: `metrics/<role>.jsonl` on a file system."""
    if "://" in run_dir:
        return StoreWriter(store, role)
    return writers.JsonLinesWriter(pathlib.Path(run_dir) / "metrics" / f"{role}.jsonl")
