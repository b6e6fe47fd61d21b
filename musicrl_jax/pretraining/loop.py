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
      evaluate: returns extra scalars of a state; see `PretrainConfig.evaluate_every`.
      sample: returns what a state sounds like; called after each evaluation.
      evaluated: called with (step, state, extra scalars) after each evaluation.
      measured: asked about the step that a run goes on from, where an evaluation
        follows it; False evaluates it now, such as after a kill in the evaluation.
      stop: asked after each step; True saves, evaluates where that is due, and raises
        `Preempted`.
      clock: monotonic seconds, for rates only.
    """

    progress: Callable[[int, int, Mapping[str, float | int]], None] | None = None
    evaluate: Callable[[Any], Mapping[str, float | int]] | None = None
    sample: Callable[[Any], protocols.Samples] | None = None
    evaluated: Callable[[int, Any, Mapping[str, float | int]], None] | None = None
    measured: Callable[[int], bool] = lambda _: True
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
    the same devices): batches and random keys are functions of the step alone. A state
    is saved before it is evaluated, so that neither is lost where the other fails.

    Returns:
      The last state.

    Raises:
      Preempted: when `hooks.stop` said so, after the state is on disk.
      InputError: when the mesh does not divide the batch, or the run has done more
        steps than it should.
    """
    snapshots = snapshots or NoSnapshots()
    hooks = hooks or Hooks()
    mesh = sharding.make_mesh(config.mesh)
    root = jax.random.key(config.seed)
    state = step.init(root)
    state = snapshots.restore_newest(state) or state
    first = int(state.step)
    _check_steps(first, config)
    report = _Report(config=config, writer=writer, hooks=hooks)
    report.go_on(first, state)
    for number, batch in _placed(batches, first, config.steps, mesh):
        examples = len(next(iter(batch.values())))
        state, scalars = step(state, batch, root)
        done = number + 1
        stopping = hooks.stop()
        saving = stopping or config.saves_after(done)
        evaluating = config.evaluates_after(done)
        if saving:
            snapshots.save(done, state)
        if stopping:
            snapshots.wait()  # before an evaluation, which may not be given the time
        if done % config.log_every == 0 or saving or evaluating:
            report.write(done, scalars, examples, state if evaluating else None)
        if stopping:
            raise errors.Preempted(f"Stopped at step {done}; start again to go on.")
    snapshots.wait()
    return state


def _check_steps(done: int, config: config_lib.PretrainConfig) -> None:
    if done > config.steps:
        raise errors.InputError(
            f"The run has done {done} steps already; got PretrainConfig.steps="
            f"{config.steps}. Set it to {done} or more, or choose another run_dir."
        )


@dataclasses.dataclass(kw_only=True)
class _Report:
    """Turns the scalars of a step into a metric row and a progress call."""

    config: config_lib.PretrainConfig
    writer: protocols.MetricWriter
    hooks: Hooks
    last: tuple[int, float] | None = None

    def go_on(self, done: int, state: objective_lib.State) -> None:
        """Evaluates the first state where an earlier process had to and did not."""
        due = done > 0 and self.config.evaluates_after(done)
        if due and not self.hooks.measured(done):
            self.write(done, {}, 0, state)
            self.last = None

    def write(
        self,
        done: int,
        scalars: objective_lib.Metrics,
        examples: int,
        state: objective_lib.State | None,
    ) -> None:
        """Writes one row; a `state` is evaluated. Rates leave evaluations out."""
        row: dict[str, float | int] = {
            name: float(x) for name, x in jax.device_get(dict(scalars)).items()
        }
        if self.last is not None:
            seconds = max(self.hooks.clock() - self.last[1], 1e-9)
            rate = (done - self.last[0]) / seconds
            row["time/steps_per_second"] = rate
            row["time/examples_per_second"] = rate * examples
        if state is not None:
            row |= self._evaluated(done, state)
        self.writer.write(done, row)
        if self.hooks.progress is not None:
            self.hooks.progress(done, self.config.steps, row)
        self.last = (done, self.hooks.clock())

    def _evaluated(
        self, done: int, state: objective_lib.State
    ) -> dict[str, float | int]:
        figures = dict(self.hooks.evaluate(state)) if self.hooks.evaluate else {}
        if self.hooks.sample and isinstance(self.writer, protocols.SampleWriter):
            self.writer.write_samples(done, self.hooks.sample(state))
        if self.hooks.evaluated:
            self.hooks.evaluated(done, state, figures)
        return figures


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
