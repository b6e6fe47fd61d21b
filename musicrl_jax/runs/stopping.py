"""How a role learns that it should stop: a signal, or the death of its supervisor."""

import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

import jax
from jax.experimental import multihost_utils

SUPERVISOR = "MUSICRL_SUPERVISOR"


class StopRequest:
    """Turns SIGTERM and SIGINT into a question that a loop asks between steps.

    Not for one of several processes under `jax.distributed`, whose C++ notifier owns
    SIGTERM: see `SharedStopRequest`. A parent is watched
    where it asked for that, by its process number in the variable `SUPERVISOR`; a role
    that a shell started outlives the shell.

    It listens from `listen` or the first question on, in a `with` block until its end;
    before and after, signals end the process as ever. So does a second signal: whoever
    repeats it does not want to wait for what comes after the loop.
    """

    def __init__(self, *, watch_parent: bool = False) -> None:
        self._requested = False
        self._before: dict[int, Any] = {}
        supervisor = os.environ.get(SUPERVISOR, "") if watch_parent else ""
        self._parent = int(supervisor) if supervisor.isdigit() else None

    def listen(self) -> "StopRequest":
        """Takes over the two signals; returns itself."""
        if not self._before:
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __enter__(self) -> "StopRequest":
        """Listens."""
        return self.listen()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives the signals back to whoever had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._requested:
            self.__exit__(None, None, None)
            signal.raise_signal(number)
        self._requested = True

    def __call__(self) -> bool:
        """Returns whether to save and stop."""
        self.listen()
        orphaned = self._parent is not None and os.getppid() != self._parent
        return self._requested or orphaned


class SharedStopRequest:
    """Turns SIGTERM at any process of a cluster into one answer of all of them.

    All processes ask equally often; the answer comes about a second after the signal,
    at the same question everywhere.
    """

    def __init__(self) -> None:
        self._asked = 0

    def __call__(self) -> bool:
        """Returns whether to save and stop."""
        self._asked += 1
        return multihost_utils.reached_preemption_sync_point(self._asked)


def learner_stop_request() -> Callable[[], bool]:
    """Returns the question for a learner of this many processes."""
    if jax.process_count() > 1:
        return SharedStopRequest()
    return StopRequest(watch_parent=True).listen()
