"""`musicrl sweep`: many runs that differ by gin bindings, one directory each.

OUT/trials/<name>        run directory of a trial (or elsewhere, see `--trials_dir`)
OUT/records/<name>.json  how a trial that was run here ended
OUT/logs/<name>.log      what it said
OUT/results.csv          the table
"""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.runs import finetune, supervisor, sweep_space

POLL_SECONDS = 0.2
GRACE_SECONDS = 120.0
ARGUMENTS = "{arguments}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One run of a sweep.

    Attributes:
      index: its place in the sweep, from 0.
      name: of its directory.
      bindings: what it sets.
      run_dir: its directory or bucket URL.
      arguments: `--run_dir`, `--gin_file` and `--gin_param` of its command.
      config: hash of its whole configuration.
    """

    index: int
    name: str
    bindings: sweep_space.Bindings
    run_dir: str
    arguments: tuple[str, ...]
    config: str


def command(trial: Trial, template: Sequence[str], slot: int = 0) -> list[str]:
    """Returns the words of a trial's command.

    Args:
      trial: whose.
      template: words in which {run_dir}, {name}, {index} and {slot} are replaced; the
        word {arguments} becomes all of the trial's.
      slot: number of the place that runs it, below the number at a time.
    """
    known = {
        "{run_dir}": trial.run_dir,
        "{name}": trial.name,
        "{index}": str(trial.index),
        "{slot}": str(slot),
    }
    words: list[str] = []
    for word in template:
        if word == ARGUMENTS:
            words += trial.arguments
            continue
        for name, value in known.items():
            word = word.replace(name, value)  # noqa: PLW2901 - one after the other
        words.append(word)
    return words


def here(words: Sequence[str]) -> list[str]:
    """Returns a command with `musicrl` as this Python runs it."""
    ours = [sys.executable, "-m", "musicrl_jax.cli.main"]
    return [part for word in words for part in (ours if word == "musicrl" else [word])]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Records:
    """How the trials that were run here ended; one file each in `folder`."""

    folder: pathlib.Path

    def read(self, trial: Trial) -> dict[str, Any] | None:
        """Returns the record of a trial, None where there is none.

        Raises:
          InputError: a trial of this name had another configuration.
        """
        path = self.folder / f"{trial.name}.json"
        if not path.is_file():
            return None
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            config, record["code"] = record["config"], int(record["code"])
        except (KeyError, TypeError, ValueError) as error:
            raise errors.InputError(
                f"The record of a trial must be JSON with config and code; {path} is "
                "not. Remove it: the trial then goes on where it was."
            ) from error
        if config != trial.config:
            raise errors.InputError(
                f"The trials of one folder share all that does not vary; {path} was "
                "run with other gin files or bindings. Choose another --out."
            )
        return record

    def write(self, trial: Trial, code: int, seconds: float, words: str) -> None:
        """Puts a record in the place of any earlier one, whole or not at all."""
        record = {
            "name": trial.name,
            "bindings": dict(trial.bindings),
            "config": trial.config,
            "code": code,
            "seconds": round(seconds, 1),
            "last_words": words,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{trial.name}.json.new"
        new.write_text(json.dumps(record, indent=1), encoding="utf-8")
        new.replace(self.folder / f"{trial.name}.json")


@dataclasses.dataclass(kw_only=True)
class Running:
    """A trial's process, and since when it runs."""

    trial: Trial
    process: subprocess.Popen[bytes]
    since: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """Runs trials on this machine, some at a time.

    Attributes:
      out: folder of records and logs.
      template: see `command`.
      parallel: how many at a time.
      stop: asked between two looks.
      report: called with (trials that ended, trials in all).
    """

    out: pathlib.Path
    template: tuple[str, ...]
    parallel: int
    stop: Callable[[], bool]
    report: Callable[[int, int], None]

    def run(self, trials: Sequence[Trial]) -> None:
        """Runs all trials; one that fails is recorded, and the others go on.

        Raises:
          Preempted: asked to stop; what ran was stopped too and goes on next time.
        """
        waiting = list(trials)
        running: dict[int, Running] = {}
        try:
            while waiting or running:
                if self.stop():
                    raise errors.Preempted(
                        f"Stopped on request; {len(waiting) + len(running)} trials are "
                        "left. The same command goes on."
                    )
                for slot in sorted(set(range(self.parallel)) - running.keys()):
                    if waiting:
                        running[slot] = self._start(waiting.pop(0), slot)
                for slot in [s for s, one in running.items() if self._ended(one)]:
                    del running[slot]
                    left = len(waiting) + len(running)
                    self.report(len(trials) - left, len(trials))
                time.sleep(POLL_SECONDS)
        finally:
            end([one.process for one in running.values()])

    def log(self, trial: Trial) -> pathlib.Path:
        """Returns the file of what a trial says."""
        return self.out / "logs" / f"{trial.name}.log"

    def _start(self, trial: Trial, slot: int) -> Running:
        log = self.log(trial)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            process = subprocess.Popen(
                here(command(trial, self.template, slot)),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Each trial shares out the cores that it finds among its own processes.
        place = finetune.core_groups(self.parallel - 1)[slot]
        supervisor.give_place(
            process.pid, supervisor.Role(name=trial.name, command=(), cores=place)
        )
        return Running(trial=trial, process=process, since=time.monotonic())

    def _ended(self, one: Running) -> bool:
        """Records a trial that has ended; tells whether it has."""
        code = one.process.poll()
        if code is None:
            return False
        text = self.log(one.trial).read_text(encoding="utf-8", errors="replace")
        words = [line.strip() for line in text.splitlines() if line.strip()]
        Records(folder=self.out / "records").write(
            one.trial,
            code if code >= 0 else 128 - code,
            time.monotonic() - one.since,
            words[-1] if words else "",
        )
        return True


def end(
    processes: Sequence[subprocess.Popen[bytes]], grace_seconds: float = GRACE_SECONDS
) -> None:
    """Asks processes to stop, and kills them with their children if they do not."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + grace_seconds
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
