"""Starts the roles of a run as processes on this machine and watches over them.

Children get a session of their own, so that Ctrl-C reaches them as one orderly
SIGTERM from here. A role that dies by a signal or with a temporary error (75) is
started again, as a cluster manager would; any other failure ends the run.
"""

import contextlib
import dataclasses
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

from musicrl_jax.core import errors
from musicrl_jax.runs import stopping

# A role that some other process told to stop has saved its state and may go on.
RETRY_CODES = (errors.TemporaryError.exit_code, errors.Preempted.exit_code)
STABLE_SECONDS = 600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Role:
    """One process.

    Attributes:
      name: its own and its log's.
      command: what it runs.
      restarts: how often in a row it may be started again; one that lasted
        `STABLE_SECONDS` begins a new row.
      cores: those that it may use; none given means all.
      niceness: how far it steps back for others on the same cores, from 0 to 19.
    """

    name: str
    command: Sequence[str]
    restarts: int = 3
    cores: frozenset[int] = frozenset()
    niceness: int = 0


class Supervisor:
    """The processes of a run; `poll` is to be called every second or so."""

    def __init__(
        self,
        roles: Sequence[Role],
        log_dir: pathlib.Path,
        environment: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._roles = {role.name: role for role in roles}
        self._log_dir = log_dir
        self._environment = (
            dict(os.environ)
            | dict(environment or {})
            | {stopping.SUPERVISOR: str(os.getpid())}
        )
        self._since: dict[str, float] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._starts = dict.fromkeys(self._roles, 0)
        self._in_a_row = dict.fromkeys(self._roles, 0)
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Starts every role."""
        for name in self._roles:
            self._start(name)

    def _start(self, name: str) -> None:
        self._starts[name] += 1
        role = self._roles[name]
        with (self._log_dir / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                list(role.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
        self._since[name] = self._clock()
        give_place(self._processes[name].pid, role)

    def restarts(self) -> int:
        """Returns how many times a role has been started again."""
        return sum(self._starts.values()) - len(self._starts)

    def code(self, name: str) -> int | None:
        """Returns the exit code of a role (negative: the signal), None if it runs."""
        return self._processes[name].poll()

    def poll(self) -> None:
        """Restarts what may be restarted.

        Raises:
          RoleError: a role failed for good; the others still run, call `stop`.
        """
        for name, role in self._roles.items():
            code = self.code(name)
            if code is None or code == 0:
                continue
            if not (code < 0 or code in RETRY_CODES):
                raise RoleError(name, code, self.last_words(name))
            if self._clock() - self._since[name] > STABLE_SECONDS:
                self._in_a_row[name] = 0
            if self._in_a_row[name] >= role.restarts:
                raise RoleError(
                    name, errors.TemporaryError.exit_code, self.last_words(name)
                )
            self._in_a_row[name] += 1
            self._start(name)

    def last_words(self, name: str) -> str:
        """Returns the last non-empty line of a role's log."""
        log = self._log_dir / f"{name}.log"
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def stop(
        self,
        names: Sequence[str] | None = None,
        grace_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Asks roles to stop with SIGTERM, and kills those that do not in time."""
        processes = [self._processes[n] for n in (names or self._processes)]
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        while any(p.poll() is None for p in processes):
            if time.monotonic() > deadline:
                for process in processes:
                    process.kill()
                    process.wait()
                return
            sleep(0.1)


def give_place(pid: int, role: Role) -> None:
    """Puts a process on its cores, at its niceness, as far as the system lets it.

    Threads inherit both; a child starts XLA's long after this.
    """
    with contextlib.suppress(OSError):
        if role.cores:
            os.sched_setaffinity(pid, role.cores)
    with contextlib.suppress(OSError):
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, pid, max(own, role.niceness))


class RoleError(errors.MusicRLError):
    """A role ended the run; carries the exit code that the run ends with."""

    def __init__(self, name: str, code: int, last_words: str) -> None:
        super().__init__(
            f"The {name} ended with exit code {code}: {last_words or 'no output'} "
            f"(see logs/{name}.log in the run directory)"
        )
        self.exit_code = code if code > 0 else 128 - code
