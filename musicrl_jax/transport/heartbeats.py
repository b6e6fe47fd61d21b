"""Signs of life: counters that go up, never the time of day.

Each beat is a new object, `heartbeat/<role>-<id>/<count>`, and the one before the last
is removed. An observer sees that a count has moved, on its own clock.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping

from musicrl_jax.transport import keys
from musicrl_jax.transport import store as stores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beat:
    """The newest sign of life of one process.

    Attributes:
      count: how many there were, over restarts too.
      values: what the process said of itself.
    """

    count: int
    values: Mapping[str, float | int | str]


class Heartbeat:
    """Beats for one process."""

    def __init__(self, store: stores.Store, role: str, identity: str) -> None:
        self._store = store
        self._folder = f"{keys.HEARTBEATS}{role}-{identity}/"
        self._count = max((_count(key) for key in store.list(self._folder)), default=0)

    def beat(self, values: Mapping[str, float | int | str]) -> None:
        """Says that the process is alive, and `values` of it."""
        data = json.dumps(dict(values), sort_keys=True).encode()
        self._count += 1
        while not self._store.put_if_absent(self._key(self._count), data):
            self._count += 1
        for key in self._store.list(self._folder):
            if _count(key) < self._count - 1:
                self._store.delete(key)

    def _key(self, count: int) -> str:
        return f"{self._folder}{count:012d}"


def read_beats(store: stores.Store) -> dict[str, Beat]:
    """Returns the newest beat of each process, by `<role>-<id>`."""
    beats = {}
    for key in store.list(keys.HEARTBEATS):
        data = store.get(key)
        if data is None:
            continue
        name = key.removeprefix(keys.HEARTBEATS).rpartition("/")[0]
        try:
            beats[name] = Beat(count=_count(key), values=json.loads(data))
        except ValueError:
            continue
    return beats


class Watch:
    """Tells how long each process has been silent, on the observer's clock."""

    def __init__(
        self, store: stores.Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def silent_seconds(self) -> dict[str, float]:
        """Returns for each process the seconds since its count was seen to move.

        A process that is seen for the first time counts from now.
        """
        now = self._clock()
        beats = read_beats(self._store)
        for name, beat in beats.items():
            if self._seen.get(name, (-1, now))[0] != beat.count:
                self._seen[name] = (beat.count, now)
        return {name: now - self._seen[name][1] for name in beats}


def _count(key: str) -> int:
    number = key.rpartition("/")[2]
    return int(number) if number.isdigit() else 0
