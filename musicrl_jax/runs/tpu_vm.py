"""One role of a run on a Cloud TPU slice: queued resources, all workers, pre-emption.

A role runs detached from the connection that started it and leaves its exit code in a
file; this process only looks. So a lost connection, or Ctrl-C here, leaves it running,
and the same command watches it again.
"""

import dataclasses
import pathlib
import time
from collections.abc import Callable

from musicrl_jax.core import errors
from musicrl_jax.runs import exit_codes, gcloud

ACTIVE, ABSENT = "ACTIVE", "ABSENT"
GONE = ("FAILED", "SUSPENDING", "SUSPENDED", "DELETING")
UNREACHABLE = 5  # looks in a row without an answer, after which a slice is given up


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How long and how often is tried.

    Attributes:
      tries: starts of the role, the first included.
      wait_seconds: longest wait for the slice, each time.
      poll_seconds: pause between two looks.
    """

    tries: int = 10
    wait_seconds: float = 6 * 3600.0
    poll_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not (self.tries >= 1 and self.wait_seconds > 0 and self.poll_seconds > 0):
            raise errors.InputError(
                "There must be a try or more, and waits above 0 s; got "
                f"{self.tries}, {self.wait_seconds} and {self.poll_seconds}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TpuVm:
    """Gets a slice, runs a role on all its workers, and starts again what was lost.

    Attributes:
      commands: the lines for gcloud.
      call: runs one of them; raises TemporaryError where it fails.
      limits: of tries and waits.
      report: is told, in a line, what happens.
      sleep: waits so many seconds.
      clock: seconds of a clock that only goes forward.
    """

    commands: gcloud.Commands
    call: Callable[[list[str]], str]
    limits: Limits
    report: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def run(self, archive: pathlib.Path) -> None:
        """Returns when the role is done; `archive` is the packed checkout.

        Raises:
          RoleFailed: the role ended in a way that another try would not mend.
          TemporaryError: the tries or the wait for a slice are used up.
        """
        for number in range(1, self.limits.tries + 1):
            self.report(f"try {number} of {self.limits.tries}")
            self.acquire()
            try:
                self.start(archive)
                code = self.watch()
            except Lost as error:
                self.report(str(error))
                continue
            if code in exit_codes.HOPELESS:
                raise RoleFailed(self.commands.role, code)
            self.report(f"the {self.commands.role} ended with exit code {code}")
            if code == 0:
                return
        raise errors.TemporaryError(
            f"All {self.limits.tries} tries are used up; slice {self.commands.name} "
            "may still be there. The same command goes on; --delete gives it back."
        )

    def acquire(self) -> None:
        """Returns when the slice is active; makes it anew where it was taken away.

        Raises:
          TemporaryError: not within the wait, or it was refused.
        """
        deadline = self.clock() + self.limits.wait_seconds
        while (state := self.state()) != ACTIVE:
            if self.clock() > deadline:
                raise errors.TemporaryError(
                    f"Slice {self.commands.name} was not to be had within "
                    f"{self.limits.wait_seconds:g} s; it is {state} and keeps its "
                    "place in the queue. The same command goes on waiting; --delete "
                    "gives the place back."
                )
            self.report(f"slice {self.commands.name} is {state}")
            if state == ABSENT:
                self.call(self.commands.create())
            elif state in GONE:
                self.call(self.commands.delete())
            self.sleep(self.limits.poll_seconds)

    def state(self) -> str:
        """Returns the state of the slice's queued resource; `ABSENT` if there is none.

        Raises:
          TemporaryError: gcloud did not say.
        """
        rows = [row.split() for row in self.call(self.commands.state()).splitlines()]
        states = {row[0]: row[1] for row in rows if len(row) == 2}
        return states.get(self.commands.name, ABSENT)

    def start(self, archive: pathlib.Path) -> None:
        """Installs and starts the role on all workers, unless it runs there.

        Raises:
          Lost: a worker did not do it.
        """
        try:
            if gcloud.RUNNING in self.call(self.commands.poll()).split():
                self.report("the role runs already")
                return
            self.report(f"installing on {self.commands.hosts} workers")
            self.call(self.commands.copy(archive))
            self.call(self.commands.install())
            self.call(self.commands.start())
        except errors.TemporaryError as error:
            raise Lost(f"the role could not be started: {error}") from error

    def watch(self) -> int:
        """Returns the exit code of the role when it has ended on all workers.

        Raises:
          Lost: the slice was taken away or does not answer.
        """
        silent = 0
        while True:
            self.sleep(self.limits.poll_seconds)
            try:
                state = self.state()
                if state != ACTIVE:
                    raise Lost(f"slice {self.commands.name} is {state}")
                answers = self.call(self.commands.poll()).split()
            except Lost:
                raise
            except errors.TemporaryError as error:
                silent += 1
                if silent < UNREACHABLE:
                    continue
                self.delete()
                raise Lost(f"the workers do not answer: {error}") from error
            silent = 0
            if len(answers) >= self.commands.hosts and gcloud.RUNNING not in answers:
                return exit_code(answers)

    def delete(self) -> None:
        """Gives the slice back, whatever runs on it."""
        if self.state() != ABSENT:
            self.report(f"giving slice {self.commands.name} back")
            self.call(self.commands.delete())


def exit_code(answers: list[str]) -> int:
    """Returns the code of a role from those of its workers: the worst."""
    codes = [int(a) if a.isdigit() else exit_codes.RETRY for a in answers]
    hopeless = [code for code in codes if code in exit_codes.HOPELESS]
    return next(iter(hopeless), max(codes))


class Lost(errors.TemporaryError):
    """The slice is gone or useless; another try may get one."""


class RoleFailed(errors.MusicRLError):
    """The role ended for good; carries its exit code."""

    def __init__(self, role: str, code: int) -> None:
        super().__init__(
            f"The {role} ended with exit code {code}; its log is {gcloud.LOG} on each "
            "worker."
        )
        self.exit_code = code
