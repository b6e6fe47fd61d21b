"""Joins the processes of a learner that spans hosts: one process a host.

Who they are is told by options or by the variables MUSICRL_COORDINATOR,
MUSICRL_NUM_PROCESSES and MUSICRL_PROCESS_ID, or is read from what Slurm, GKE or a TPU
VM says of its cluster. Actors and evaluator never join: they meet the learner in the
run directory alone.
"""

import contextlib
import dataclasses
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax

from musicrl_jax.core import errors

COORDINATOR = "MUSICRL_COORDINATOR"
NUM_PROCESSES = "MUSICRL_NUM_PROCESSES"
PROCESS_ID = "MUSICRL_PROCESS_ID"

# A frozen host holds all others up for so long; JAX's own default is 100 s.
HEARTBEAT_SECONDS = 30
JOIN_SECONDS = 300
# That hosts wait for each other at the end.
PARTING_SECONDS = 30

# Faults of the program or of its sizes, which a restart would meet again.
_OWN_FAULTS = ("RESOURCE_EXHAUSTED", "INVALID_ARGUMENT", "UNIMPLEMENTED")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hosts:
    """The processes of one learner, and which of them this one is.

    Attributes:
      coordinator: HOST:PORT of process 0; empty where JAX finds its cluster itself.
      num_processes: how many there are; None where JAX finds out.
      process_id: the number of this one, from 0; None where JAX finds out.
    """

    coordinator: str = ""
    num_processes: int | None = None
    process_id: int | None = None

    def __post_init__(self) -> None:
        whole = self.num_processes is not None and self.process_id is not None
        if (self.coordinator or self.process_id is not None) and not (
            self.coordinator and whole
        ):
            raise errors.InputError(
                "A process joins others by coordinator, number of processes and its "
                f"own number; got {self.coordinator or None}, {self.num_processes} and "
                f"{self.process_id}. Give all three, or the number of processes alone."
            )
        if self.coordinator and not re.fullmatch(r".+:\d{1,5}", self.coordinator):
            raise errors.InputError(
                f"A coordinator reads HOST:PORT; got {self.coordinator!r}. Pass "
                "--coordinator, such as node1:8476."
            )
        count = 1 if self.num_processes is None else self.num_processes
        if count < 1 or not 0 <= (self.process_id or 0) < count:
            raise errors.InputError(
                f"Processes are numbered from 0 to one less than there are; got "
                f"{self.process_id} of {count}. Pass --process_id and --num_processes."
            )


def find(given: Hosts, environment: Mapping[str, str]) -> Hosts | None:
    """Returns the processes that this one belongs to; None where it is alone.

    Args:
      given: by options, which go over the variables.
      environment: of this process.

    Raises:
      InputError: what is given contradicts itself or is not whole.
    """
    count = given.num_processes
    number = given.process_id
    told = Hosts(
        coordinator=given.coordinator or environment.get(COORDINATOR, ""),
        num_processes=_number(NUM_PROCESSES, environment) if count is None else count,
        process_id=_number(PROCESS_ID, environment) if number is None else number,
    )
    if told.num_processes == 1:
        return None
    if told.coordinator:
        return told
    if told.num_processes is not None:
        return _of_slurm(environment) or told
    return _of_slurm(environment) or _of_tpus(environment)


def join(given: Hosts, give_up: Callable[[errors.TemporaryError], None]) -> None:
    """Makes this process one of its cluster; does nothing where it is alone.

    To be called before anything asks for a device.

    Args:
      given: by options.
      give_up: ends the process with an error. It is called, from a thread, where the
        others do not come in time: JAX's own end is an abort without a word.

    Raises:
      InputError: what is given contradicts itself, or JAX finds no cluster or another
        than was said.
      TemporaryError: JAX could not join it.
    """
    hosts = find(given, os.environ)
    if hosts is None:
        return
    named: dict[str, Any] = {}
    if hosts.coordinator:
        # Else JAX would take one device for each of Slurm's tasks on GPUs.
        named = dataclasses.asdict(hosts) | {"cluster_detection_method": "deactivate"}
        named["coordinator_address"] = named.pop("coordinator")
    late = errors.TemporaryError(_late(hosts))
    timer = threading.Timer(JOIN_SECONDS, give_up, [late])
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(
            **named,
            initialization_timeout=2 * JOIN_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=PARTING_SECONDS,
        )
    except (ValueError, TypeError) as error:
        raise errors.InputError(
            f"This process must be one of {hosts.num_processes or 'several'}, and JAX "
            f"finds no cluster here ({error}). Pass --coordinator, --num_processes and "
            "--process_id."
        ) from error
    except RuntimeError as error:
        known = " ".join(str(error).split())[:300]
        raise errors.TemporaryError(f"{late} JAX said: {known}") from error
    finally:
        timer.cancel()
    if hosts.num_processes not in (None, jax.process_count()):
        raise errors.InputError(
            f"The cluster must have {hosts.num_processes} processes; JAX finds "
            f"{jax.process_count()}. Correct --num_processes."
        )


@contextlib.contextmanager
def joined(
    given: Hosts, give_up: Callable[[errors.TemporaryError], None]
) -> Iterator[None]:
    """Joins, and tells a lost host from a fault of the program; see `join`.

    Raises:
      LostHostError: in the place of what a collective raised.
      InputError, TemporaryError: see `join`.
    """
    join(given, give_up)
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not jax.distributed.is_initialized() or str(error).startswith(_OWN_FAULTS):
            raise
        known = " ".join(str(error).split())[:200]
        raise errors.LostHostError(
            f"Host {jax.process_index()} of {jax.process_count()} can reach the others "
            f"no more ({known}). Start all of them again; they go on from the last "
            "checkpoint."
        ) from error


def _of_slurm(environment: Mapping[str, str]) -> Hosts | None:
    """Returns the tasks of a step of Slurm, where there are several."""
    nodes = environment.get("SLURM_STEP_NODELIST", "")
    count = _number("SLURM_NTASKS", environment) or 1
    if not nodes or count == 1:
        return None
    # Above the ports that other programs take; the same for all tasks of a job.
    port = 61440 + (_number("SLURM_JOB_ID", environment) or 0) % 4096
    return Hosts(
        coordinator=environment.get("JAX_COORDINATOR_ADDRESS")
        or f"{first_node(nodes)}:{port}",
        num_processes=count,
        process_id=_number("SLURM_PROCID", environment),
    )


def first_node(nodes: str) -> str:
    """Returns the first of Slurm's "node[003-005,7],other" or "node1,node2"."""
    return re.sub(r"^([^,\[]*)(?:\[([^],-]*).*|,.*)?$", r"\1\2", nodes)


def _of_tpus(environment: Mapping[str, str]) -> Hosts | None:
    """Returns a cluster for JAX to find where the environment says there is one."""
    names = ("TPU_PROCESS_ADDRESSES", "TPU_WORKER_HOSTNAMES")
    several = any("," in environment.get(name, "") for name in names)
    slices = _number("MEGASCALE_NUM_SLICES", environment) or 1
    told = "JAX_COORDINATOR_ADDRESS" in environment
    return Hosts() if several or slices > 1 or told else None


def _number(name: str, environment: Mapping[str, str]) -> int | None:
    text = environment.get(name, "")
    if not text:
        return None
    if not text.isdigit():
        raise errors.InputError(f"{name} must be a number; got {text!r}. Correct it.")
    return int(text)


def _late(hosts: Hosts) -> str:
    remedy = (
        f"Start all of them within {JOIN_SECONDS} s, with the same address, which must "
        "be free on process 0 and open to the others."
    )
    if not hosts.coordinator:
        return f"The hosts of this learner did not come together. {remedy}"
    count, number = hosts.num_processes, hosts.process_id
    whom = "the others to come to" if number == 0 else "process 0 at"
    return (
        f"Process {number} of {count} waited for {whom} {hosts.coordinator}. {remedy}"
    )
