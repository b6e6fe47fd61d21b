"""The supervised loop: batches in, checkpoints and metrics out, resumable exactly."""

import concurrent.futures
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import jax
import numpy as np

from musicrl_jax.core import errors, protocols, sharding
from musicrl_jax.pretraining import config as config_lib
from musicrl_jax.pretraining import objective as objective_lib
from musicrl_jax.pretraining import step as step_lib

Tree = TypeVar("Tree")


@runtime_checkable
class Snapshots(Protocol):
    """Where the loop keeps its state; see `checkpoints.snapshots`."""

    def save(self, step: int, state: object) -> None:
        """Starts to write the state of `step` (may return before it is on disk)."""
        ...

    def restore_newest(self, like: Tree) -> Tree | None:
        """Returns the newest state, shaped and laid out like `like`; None if none."""
        ...

    def wait(self) -> None:
        """Returns when every save is on disk; raises what a save raised."""
        ...


class NoSnapshots:
    """Keeps nothing: for tests and trials."""

    def save(self, step: int, state: object) -> None:
        """Does nothing."""

    def restore_newest(self, like: Tree) -> Tree | None:
        """Returns None."""

    def wait(self) -> None:
        """Does nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the outside may look at and decide.

    Attributes:
      progress: called with (step, steps, scalars) whenever a row is logged.
      evaluate: returns extra scalars of a state; called at each checkpoint.
      stop: asked after each step; True saves and raises `Preempted`.
      clock: monotonic seconds, for rates only.
    """

    progress: Callable[[int, int, Mapping[str, float]], None] | None = None
    evaluate: Callable[[Any], Mapping[str, float]] | None = None
    stop: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic


def train(
    objective: objective_lib.Objective,
    batches: objective_lib.Batches,
    config: config_lib.PretrainConfig,
    writer: protocols.MetricWriter,
    snapshots: Snapshots | None = None,
    hooks: Hooks | None = None,
) -> step_lib.PretrainState:
    """Trains one network with one optimizer; see `train_with`.

    Returns:
      The last state; `step.trained_params` gives the parameters to use.
    """
    step = step_lib.PretrainStep(
        objective=objective, config=config, mesh=sharding.make_mesh(config.mesh)
    )
    return train_with(step, batches, config, writer, snapshots, hooks)


def train_with(
    step: objective_lib.TrainingStep[objective_lib.AnyState],
    batches: objective_lib.Batches,
    config: config_lib.PretrainConfig,
    writer: protocols.MetricWriter,
    snapshots: Snapshots | None = None,
    hooks: Hooks | None = None,
) -> objective_lib.AnyState:
    """Trains from the newest snapshot, or from scratch, to `config.steps`.

    A run that was stopped and goes on gives bitwise the state of one that was not (on
    the same devices): batches and random keys are functions of the step alone.

    Returns:
      The last state.

    Raises:
      Preempted: when `hooks.stop` said so, after the state is on disk.
      InputError: when the mesh does not divide the batch.
    """
    snapshots = snapshots or NoSnapshots()
    hooks = hooks or Hooks()
    mesh = sharding.make_mesh(config.mesh)
    root = jax.random.key(config.seed)
    state = step.init(root)
    state = snapshots.restore_newest(state) or state
    report = _Report(config=config, writer=writer, hooks=hooks, first=int(state.step))
    for number, batch in _placed(batches, int(state.step), config.steps, mesh):
        state, scalars = step(state, batch, root)
        done = number + 1
        stopping = hooks.stop()
        saving = stopping or done % config.save_every == 0 or done == config.steps
        if done % config.log_every == 0 or saving:
            report.write(done, scalars, None if stopping or not saving else state)
        if saving:
            snapshots.save(done, state)
        if stopping:
            snapshots.wait()
            raise errors.Preempted(f"Stopped at step {done}; start again to go on.")
    snapshots.wait()
    return state


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Report:
    """Turns the scalars of a step into a metric row and a progress call."""

    config: config_lib.PretrainConfig
    writer: protocols.MetricWriter
    hooks: Hooks
    first: int
    started: list[float] = dataclasses.field(default_factory=list)

    def write(
        self,
        done: int,
        scalars: objective_lib.Metrics,
        state: objective_lib.State | None,
    ) -> None:
        """Writes one row; `state` is given at checkpoints, where it is evaluated."""
        row = {name: float(x) for name, x in jax.device_get(dict(scalars)).items()}
        now = self.hooks.clock()
        if self.started:
            seconds = max(now - self.started[0], 1e-9)
            row["time/steps_per_second"] = (done - self.started[1]) / seconds
        self.started[:] = [now, float(done)]
        if state is not None and self.hooks.evaluate is not None:
            row |= self.hooks.evaluate(state)
        self.writer.write(done, row)
        if self.hooks.progress is not None:
            self.hooks.progress(done, self.config.steps, row)


def _placed(
    batches: objective_lib.Batches, start: int, steps: int, mesh: jax.sharding.Mesh
) -> Iterator[tuple[int, objective_lib.Batch]]:
    """Yields (step, batch on the mesh); the next batch is made while one is used."""
    place = sharding.batch_sharding(mesh)
    shards = mesh.shape["data"] * mesh.shape["fsdp"]
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as pool:
        ahead = pool.submit(batches.batch, start) if start < steps else None
        for number in range(start, steps):
            batch = ahead.result() if ahead is not None else {}
            last = number + 1 == steps
            ahead = None if last else pool.submit(batches.batch, number + 1)
            _check_divisible(batch, shards)
            yield number, jax.device_put(dict(batch), place)


def _check_divisible(batch: Mapping[str, np.ndarray], shards: int) -> None:
    for name, value in batch.items():
        if value.shape[0] % shards:
            raise errors.InputError(
                f"The batch must divide over {shards} devices; {name!r} has "
                f"{value.shape[0]} examples. Change the batch size or MeshConfig."
            )
