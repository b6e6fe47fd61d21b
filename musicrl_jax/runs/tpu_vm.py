"""One role of a run on a Cloud TPU slice: queued resources, all workers, pre-emption.

A role runs detached from the connection that started it and leaves its exit code in a
file; this process only looks. So a lost connection, or Ctrl-C here, leaves it running,
and the same command watches it again.
"""

import dataclasses
import pathlib
import shlex
import time
from collections.abc import Callable
from typing import TypeVar

from musicrl_jax.core import errors
from musicrl_jax.runs import exit_codes, gcloud

ACTIVE, ABSENT, DELETING = "ACTIVE", "ABSENT", "DELETING"
GONE = ("FAILED", "SUSPENDING", "SUSPENDED")
UNREACHABLE = 5  # failures of gcloud in a row, after which it is given up
Answer = TypeVar("Answer")


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
      log: given one, the slice is given back when the role is done, failed for good
        or used up its tries; of the latter two, the log's end is added to this file.
      sleep: waits so many seconds.
      clock: seconds of a clock that only goes forward.
    """

    commands: gcloud.Commands
    call: Callable[[list[str]], str]
    limits: Limits
    report: Callable[[str], None]
    log: pathlib.Path | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def run(self, archive: pathlib.Path) -> None:
        """Returns when the role is done; `archive` is the packed checkout.

        Raises:
          RoleFailed: the role ended in a way that another try would not mend.
          TemporaryError: the tries or the wait are used up, or gcloud fails.
        """
        for number in range(1, self.limits.tries + 1):
            self.report(f"try {number} of {self.limits.tries}")
            self.acquire()
            try:
                self.start(archive)
                code = self.watch()
            except Lost as error:
                self.report(str(error))
                self.sleep(self.limits.poll_seconds)
                continue
            if code in exit_codes.HOPELESS:
                text = f"The {self.commands.role} ended with exit code {code}."
                raise RoleFailed(f"{text} {self._leave()}", code)
            self.report(f"the {self.commands.role} ended with exit code {code}")
            if code == 0:
                self._end_well()
                return
        raise errors.TemporaryError(
            f"All {self.limits.tries} tries are used up; the same command goes on. "
            f"{self._leave()}"
        )

    def _end_well(self) -> None:
        if self.log is None:
            self.report(self._costs())
        else:
            self.delete()

    def _leave(self) -> str:
        """Gives back what is to be given back; says where log and slice are."""
        if self.log is None:
            return f"Its log is {gcloud.LOG} on each worker. {self._costs()}"
        try:
            lines = self._persist(lambda: self.call(self.commands.log()))
            with self.log.open("a", encoding="utf-8") as file:
                file.write(lines)
            kept = f"The end of its log is in {self.log}."
        except (errors.TemporaryError, OSError) as error:
            kept = f"Its log could not be fetched: {str(error).rstrip('.')}."
        try:
            self.delete()
        except errors.TemporaryError as error:
            return f"{kept} {error}"
        return f"{kept} Slice {self.commands.name} was given back."

    def _costs(self) -> str:
        return (
            f"Slice {self.commands.name} is not given back. While it is there it costs "
            f"money; this gives it back: {shlex.join(self.commands.delete())}"
        )

    def _persist(self, action: Callable[[], Answer]) -> Answer:
        """Does what may fail, again where it does: `UNREACHABLE` times in a row."""
        for _ in range(UNREACHABLE - 1):
            try:
                return action()
            except errors.TemporaryError as error:
                self.report(str(error))
                self.sleep(self.limits.poll_seconds)
        return action()

    def _insist(self, action: Callable[[], Answer]) -> Answer:
        """Does what `_persist` does; an error says what costs money until when."""
        try:
            return self._persist(action)
        except errors.TemporaryError as error:
            raise errors.TemporaryError(
                f"{error} That was failure {UNREACHABLE} in a row. {self._costs()}"
            ) from error

    def acquire(self) -> None:
        """Returns when the slice is active; makes it anew where it was taken away.

        Raises:
          TemporaryError: not within the wait, or gcloud fails again and again.
        """
        deadline = self.clock() + self.limits.wait_seconds
        while (state := self._insist(self._ask)) != ACTIVE:
            if self.clock() > deadline:
                raise errors.TemporaryError(
                    f"Slice {self.commands.name} was not to be had within "
                    f"{self.limits.wait_seconds:g} s; it is {state} and keeps its "
                    f"place in the queue. The same command goes on. {self._costs()}"
                )
            self.sleep(self.limits.poll_seconds)

    def _ask(self) -> str:
        """Returns the slice's state, after doing what that calls for."""
        state = self.state()
        if state != ACTIVE:
            self.report(f"slice {self.commands.name} is {state}")
        if state == ABSENT:
            self.call(self.commands.create())
        elif state in GONE:
            self.call(self.commands.delete())
        return state

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
        while True:
            self.sleep(self.limits.poll_seconds)
            try:
                state, answers = self._persist(self._look)
            except errors.TemporaryError as error:
                self._try_to_delete()
                raise Lost(f"the workers do not answer: {error}") from error
            if state != ACTIVE:
                raise Lost(f"slice {self.commands.name} is {state}")
            if len(answers) >= self.commands.hosts and gcloud.RUNNING not in answers:
                return exit_code(answers)

    def _look(self) -> tuple[str, list[str]]:
        """Returns the state of the slice and, if it is active, its workers' answers."""
        state = self.state()
        active = state == ACTIVE
        return state, self.call(self.commands.poll()).split() if active else []

    def delete(self) -> None:
        """Gives the slice back, whatever runs on it.

        Raises:
          TemporaryError: gcloud fails again and again; says what to do.
        """
        self._insist(self._delete_once)

    def _delete_once(self) -> None:
        if self.state() not in (ABSENT, DELETING):
            self.report(f"giving slice {self.commands.name} back")
            self.call(self.commands.delete())

    def _try_to_delete(self) -> None:
        """Gives the slice back if gcloud can; the next try meets what is left."""
        try:
            self.delete()
        except errors.TemporaryError as error:
            self.report(str(error))


def exit_code(answers: list[str]) -> int:
    """Returns the code of a role from those of its workers: the worst."""
    codes = [int(a) if a.isdigit() else exit_codes.RETRY for a in answers]
    hopeless = [code for code in codes if code in exit_codes.HOPELESS]
    return next(iter(hopeless), max(codes))


class Lost(errors.TemporaryError):
    """The slice is gone or useless; another try may get one."""


class RoleFailed(errors.MusicRLError):
    """The role ended for good; carries its exit code."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.exit_code = code
