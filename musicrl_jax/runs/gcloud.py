"""The lines that `tpu_vm` gives to gcloud."""

import dataclasses
import pathlib
import re
import shlex

from musicrl_jax.core import errors
from musicrl_jax.planning import tpu_topology
from musicrl_jax.runs import hosts

FOLDER = "musicrl"
LOG = "~/musicrl_role.log"
EXIT_FILE = "~/musicrl_role.exit"
LOCK = "~/musicrl_role.lock"
LAST_LINES = 1000  # of a log, which are kept when a slice is given back
ARCHIVE = "musicrl.tar.gz"
# What a worker answers in place of an exit code: the role runs, or left no trace.
RUNNING, ABSENT = "running", "absent"

# The system's Python is too old; uv brings one. The locks first, for exact versions:
# libtpu's is that which plans are compiled with.
INSTALL = (
    "set -e",
    f"mkdir -p ~/{FOLDER}",
    f"tar -xzf ~/{ARCHIVE} -C ~/{FOLDER}",
    f"cd ~/{FOLDER}",
    "test -x ~/.local/bin/uv || python3 -m pip install --user --quiet uv",
    "test -d .venv || ~/.local/bin/uv venv --quiet --python 3.11 .venv",
    "~/.local/bin/uv pip install --quiet --python .venv --require-hashes "
    "--requirement requirements.lock",
    "~/.local/bin/uv pip install --quiet --python .venv --no-deps --require-hashes "
    "--requirement requirements-tpu.lock",
    "~/.local/bin/uv pip install --quiet --python .venv --no-deps --editable .",
)


_NAME = re.compile(r"[a-z]([-a-z0-9]{0,59}[a-z0-9])?")
_ZONE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Commands:
    """Lines for one slice and one role.

    Attributes:
      name: of the queued resource and of its node.
      zone: where it lies.
      project: who pays; empty means gcloud's own setting.
      topology: the slice.
      role: learner, actor or evaluator.
      arguments: what follows `musicrl`, the role's name first.
      spot: may be taken away at any time, for less money.
      service_account: with rights on the bucket; empty means the project's default.
    """

    name: str
    zone: str
    project: str = ""
    topology: tpu_topology.Topology
    role: str
    arguments: tuple[str, ...]
    spot: bool = False
    service_account: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise errors.InputError(
                "A slice's name has up to 61 of a-z, 0-9 and -, begins with a letter "
                f"and ends with no -; got {self.name!r}. Change --name."
            )
        if not _ZONE.fullmatch(self.zone):
            raise errors.InputError(
                "A zone has a-z, 0-9 and -, begins with a letter and ends with no -; "
                f"got {self.zone!r}. Set --zone, for example to us-east5-a."
            )

    @property
    def hosts(self) -> int:
        """Workers of the slice."""
        return self.topology.hosts

    def _line(self, *words: str) -> list[str]:
        place = [f"--zone={self.zone}", "--quiet"]
        if self.project:
            place.append(f"--project={self.project}")
        return ["gcloud", "compute", "tpus", *words, *place]

    def create(self) -> list[str]:
        """Asks for the slice; returns at once."""
        more = ["--spot"] if self.spot else []
        if self.service_account:
            more.append(f"--service-account={self.service_account}")
        return self._line(
            "queued-resources",
            "create",
            self.name,
            f"--node-id={self.name}",
            f"--accelerator-type={self.topology.accelerator_type}",
            f"--runtime-version={self.topology.runtime_version}",
            *more,
        )

    def state(self) -> list[str]:
        """Prints a line for each queued resource of the zone: its name, its state."""
        return self._line(
            "queued-resources", "list", "--format=value(name.basename(),state.state)"
        )

    def delete(self) -> list[str]:
        """Gives the slice back and waits until it is gone."""
        return self._line("queued-resources", "delete", self.name, "--force")

    def copy(self, archive: pathlib.Path) -> list[str]:
        """Copies the packed checkout to all workers."""
        target = f"{self.name}:{ARCHIVE}"
        return self._line("tpu-vm", "scp", str(archive), target, "--worker=all")

    def install(self) -> list[str]:
        """Unpacks and installs on all workers."""
        return self._on_all("; ".join(INSTALL))

    def start(self) -> list[str]:
        """Starts the role on all workers, unless it runs there already."""
        # Without TPUs the role must fail, not go on with the processor.
        variables = ["JAX_PLATFORMS=tpu,cpu"]
        if self.hosts > 1:
            # The machine's metadata say the rest.
            variables.append(f"{hosts.NUM_PROCESSES}={self.hosts}")
        role = shlex.join(["env", *variables, ".venv/bin/musicrl", *self.arguments])
        once = f"rm -f {EXIT_FILE}; {role}; echo $? > {EXIT_FILE}"
        return self._on_all(
            f"cd ~/{FOLDER} && if flock --nonblock {LOCK} true; then "
            f"(setsid nohup flock --nonblock {LOCK} sh -c {shlex.quote(once)} "
            f">> {LOG} 2>&1 < /dev/null &) fi"
        )

    def poll(self) -> list[str]:
        """Prints a line for each worker: its role's exit code, `RUNNING`, `ABSENT`."""
        ended = f"cat {EXIT_FILE} 2> /dev/null || echo {ABSENT}"
        return self._on_all(
            f"if flock --nonblock {LOCK} true; then {ended}; else echo {RUNNING}; fi"
        )

    def log(self) -> list[str]:
        """Prints the last lines of the role's log, each after its worker's name."""
        return self._on_all(f'tail -n {LAST_LINES} {LOG} | sed "s/^/$(hostname): /"')

    def _on_all(self, command: str) -> list[str]:
        return self._line(
            "tpu-vm", "ssh", self.name, "--worker=all", f"--command={command}"
        )


def smooth(commands: Commands, *, delete: bool, last: bool) -> list[list[str]]:
    """Returns the lines of a run that meets no trouble, for those who want to see them.

    Args:
      commands: for one slice and role.
      delete: only give the slice back.
      last: give it back in the end.
    """
    gone = [commands.state(), commands.delete()]
    if delete:
        return gone
    lines = [
        commands.state(),
        commands.create(),
        commands.poll(),
        commands.copy(pathlib.Path(ARCHIVE)),
        commands.install(),
        commands.start(),
        commands.state(),
        commands.poll(),
    ]
    return lines + gone if last else lines
