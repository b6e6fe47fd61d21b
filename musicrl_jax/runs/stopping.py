"""How a role learns that it should stop: a signal, or the death of its supervisor."""

import os
import signal
from types import FrameType

SUPERVISOR = "MUSICRL_SUPERVISOR"


class StopRequest:
    """Turns SIGTERM and SIGINT into a question that a loop asks between steps.

    Not for a learner under `jax.distributed`, whose C++ notifier owns SIGTERM: there
    the checkpoint manager's preemption point is asked instead. A parent is watched
    where it asked for that, by its process number in the variable `SUPERVISOR`; a role
    that a shell started outlives the shell.
    """

    def __init__(self, *, watch_parent: bool = False) -> None:
        self._requested = False
        supervisor = os.environ.get(SUPERVISOR, "") if watch_parent else ""
        self._parent = int(supervisor) if supervisor.isdigit() else None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._requested = True

    def __call__(self) -> bool:
        """Returns whether to save and stop."""
        orphaned = self._parent is not None and os.getppid() != self._parent
        return self._requested or orphaned
