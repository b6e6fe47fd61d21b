"""`musicrl finetune`: learner, actors and evaluator as processes on this machine."""

import dataclasses
import json
import os
import pathlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.learning import learner
from musicrl_jax.runs import (
    compile_cache,
    directory_lock,
    hosts,
    kept_pages,
    live_view,
    run_config,
    run_inputs,
    stopping,
    supervisor,
    unknown_words,
)

OPERATIVE_GIN = "config/operative.gin"
POLL_SECONDS = 0.5
EVALUATOR_GRACE_SECONDS = 300.0
# Where the learner shares a core it goes first: clips that wait for it grow old.
STEP_BACK = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finished:
    """How a run ended.

    Attributes:
      step: updates done.
      reason: "steps", or "kl_budget" where the budget was spent before, or
        "over_optimisation" where that ends the run and was seen.
      restarts: how often a role was started again.
    """

    step: int
    reason: str
    restarts: int


def run(config: run_config.RunConfig) -> dict[str, Any]:
    """Fine-tunes on this machine; the same call resumes a run that was stopped.

    Returns:
      The fields of `Finished`.

    Raises:
      InputError: bad input, before any process is started.
      RoleError: a role failed for good; its exit code becomes this process's.
      Preempted: this process was asked to stop; the run is saved.
    """
    if "://" in config.run_dir:
        raise errors.InputError(
            f"`finetune` runs on one machine's disk; got {config.run_dir}. Start "
            "`musicrl learner`, `actor` and `evaluator` for a bucket."
        )
    run_dir = pathlib.Path(config.run_dir)
    store, _ = run_inputs.open_run(config)
    if (done := store.get(learner.DONE_KEY)) is not None:
        return _finished(done, restarts=0)
    gin_file = run_dir / OPERATIVE_GIN
    if not gin_file.exists():
        raise errors.InputError(
            f"A run keeps its gin config in {gin_file}; there is none. Start the run "
            "with `musicrl finetune --gin_file ... --run_dir ...`."
        )
    unknown_words.warn_of_run(config)
    roles = make_roles(config, gin_file)
    environment = kept_pages.ENVIRONMENT | compile_cache.environment(run_dir)
    environment[hosts.NUM_PROCESSES] = "1"  # whatever cluster this machine is of
    family = supervisor.Supervisor(roles, run_dir / "logs", environment)
    with (
        directory_lock.only_one(run_dir, "finetune"),
        stopping.StopRequest() as stop,
    ):
        try:
            family.start()
            watch(family, config, stop)
        finally:
            family.stop()
    return _finished(store.get(learner.DONE_KEY) or b"{}", family.restarts())


def _finished(done: bytes, restarts: int) -> dict[str, Any]:
    """Returns the fields of `Finished` from the learner's last record."""
    record = json.loads(done)
    ended = Finished(step=record["step"], reason=record["reason"], restarts=restarts)
    return dataclasses.asdict(ended)


def make_roles(
    config: run_config.RunConfig, gin_file: pathlib.Path
) -> list[supervisor.Role]:
    """Returns the processes of a run: one learner, the actors, one evaluator."""

    def command(role: str, *more: str) -> Sequence[str]:
        shared = ("--run_dir", config.run_dir, "--gin_file", str(gin_file))
        return (sys.executable, "-m", "musicrl_jax.cli.main", role, *shared, *more)

    groups = core_groups(config.num_actors)
    actors = [
        supervisor.Role(
            name=f"actor-{number}",
            command=command("actor", "--actor_id", str(number)),
            cores=groups[-1 - number],
            niceness=STEP_BACK,
        )
        for number in range(config.num_actors)
    ]
    learner_role = supervisor.Role(
        name="learner", command=command("learner"), cores=groups[0]
    )
    evaluator_role = supervisor.Role(
        name="evaluator",
        command=command("evaluator"),
        cores=groups[-1],
        niceness=STEP_BACK,
    )
    return [learner_role, *actors, evaluator_role]


def core_groups(actors: int) -> list[frozenset[int]]:
    """Returns the learner's cores, then those of each actor, the first actor last.

    A role whose threads stay on a few cores gets more done than one whose threads take
    turns with all others on all of them. With fewer cores than roles the actors after
    the first share the others' cores. The sets are empty, for no restriction, where the
    system cannot say what cores there are.
    """
    if not hasattr(os, "sched_getaffinity"):
        return [frozenset()] * (actors + 1)
    cores = sorted(os.sched_getaffinity(0))
    distinct = min(actors + 1, len(cores))
    groups = [frozenset(cores[number::distinct]) for number in range(distinct)]
    shared = [groups[number % distinct] for number in range(actors + 1 - distinct)]
    return groups[:1] + shared + groups[1:]


def watch(
    family: supervisor.Supervisor,
    config: run_config.RunConfig,
    stop: stopping.StopRequest,
) -> None:
    """Returns when learner and evaluator are done; shows how the run goes meanwhile.

    Raises:
      RoleError: a role failed for good.
      Preempted: this process was asked to stop.
    """
    done_since: float | None = None
    with live_view.LiveView(pathlib.Path(config.run_dir), config.learner.steps) as view:
        while True:
            family.poll()
            view.update(family.restarts())
            if stop():
                raise errors.Preempted(
                    f"Stopped on request; run {config.run_dir} goes on with the same "
                    "command."
                )
            if family.code("learner") == 0:
                done_since = done_since or time.monotonic()
                waited = time.monotonic() - done_since
                if family.code("evaluator") == 0 or waited > EVALUATOR_GRACE_SECONDS:
                    return
            time.sleep(POLL_SECONDS)
