"""What every supervised run does with its run directory, so that it is said once.

run_dir/metrics.jsonl    one row at each log step, with held-out figures at evaluations
run_dir/checkpoints      the newest states; a run that was stopped goes on from there
run_dir/best             the best state, where `PretrainConfig.best_metric` names one
run_dir/samples          what the network sounds like, as WAV and PNG
run_dir/tensorboard      the same for TensorBoard, where `PretrainConfig.tensorboard`
run_dir/data.json        what the training data looked like when the run began
run_dir/done.json        that the command ended and its weights are written
"""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar, cast

from musicrl_jax.checkpoints import snapshots
from musicrl_jax.core import errors, sharding, writers
from musicrl_jax.pretraining import config as config_lib
from musicrl_jax.pretraining import fingerprint, loop, step
from musicrl_jax.pretraining import objective as objective_lib
from musicrl_jax.runs import directory_lock, sample_folder, tensorboard

DATA = "data.json"
DONE = "done.json"
Tree = TypeVar("Tree")


def train(
    objective: objective_lib.Objective,
    batches: objective_lib.Batches,
    config: config_lib.PretrainConfig,
    run_dir: str | pathlib.Path,
    hooks: loop.Hooks | None = None,
    begin: Callable[[step.PretrainState], step.PretrainState] | None = None,
) -> step.PretrainState:
    """Trains one network with one optimizer in `run_dir`; see `train_with`."""
    trainer = step.PretrainStep(
        objective=objective, config=config, mesh=sharding.make_mesh(config.mesh)
    )
    return train_with(trainer, batches, config, run_dir, hooks, begin)


@contextlib.contextmanager
def marked_when_done(run_dir: str) -> Iterator[None]:
    """Leaves `DONE` in a run directory if the work in it ends well."""
    yield
    mark = pathlib.Path(run_dir) / DONE
    mark.write_text(json.dumps({"done": True}) + "\n", encoding="utf-8")


def train_with(
    trainer: objective_lib.TrainingStep[objective_lib.AnyState],
    batches: objective_lib.Batches,
    config: config_lib.PretrainConfig,
    run_dir: str | pathlib.Path,
    hooks: loop.Hooks | None = None,
    begin: Callable[[objective_lib.AnyState], objective_lib.AnyState] | None = None,
) -> objective_lib.AnyState:
    """Trains from the newest state in `run_dir`, or from scratch, to the end.

    Args:
      trainer: the compiled step.
      batches: what it is trained on.
      config: steps, checkpoints, evaluation, what is kept and exported.
      run_dir: see the head of this file.
      hooks: what the run measures, and how the terminal takes part.
      begin: makes the first state from a random one, such as with weights to start
        from; not called when the run goes on.

    Returns:
      The state to export: the last, or the best under `PretrainConfig.export_best`.

    Raises:
      InputError: for settings or data that do not fit the run directory, or another
        process that trains there.
      Preempted: when stopped; the state is saved.
    """
    hooks, folder = hooks or loop.Hooks(), pathlib.Path(run_dir)
    with contextlib.ExitStack() as stack:
        stack.enter_context(directory_lock.only_one(folder, "pretrain"))
        best = _best(config, folder, hooks)
        if best is not None:
            stack.callback(best.close)
            hooks = dataclasses.replace(hooks, evaluated=best.offer)
        metrics = writers.JsonLinesWriter(folder / "metrics.jsonl")
        # The row of an evaluated step is written when its evaluation is done.
        hooks = dataclasses.replace(
            hooks, measured=lambda number: metrics.newest_step() == number
        )
        store = snapshots.TreeSnapshots(folder / "checkpoints", keep=config.keep)
        stack.callback(store.close)
        newest = store.newest_step()
        _check_data(folder / DATA, batches, goes_on=newest is not None)
        (folder / DONE).unlink(missing_ok=True)
        writer = _writer(config, folder, metrics, newest or 0, stack)
        begun = _Begun(store=store, metrics=metrics, begin=begin)
        state = loop.train_with(trainer, batches, config, writer, begun, hooks)
        found = best.restore(state) if best and config.export_best else None
        return state if found is None else found


def _writer(
    config: config_lib.PretrainConfig,
    folder: pathlib.Path,
    metrics: writers.JsonLinesWriter,
    newest: int,
    stack: contextlib.ExitStack,
) -> writers.ManyWriters:
    """Returns where numbers and sounds go; `stack` closes what must be closed."""
    sinks = [
        metrics,
        sample_folder.SampleFolder(folder / "samples"),
    ]
    if config.tensorboard:
        board = tensorboard.TensorBoardWriter(folder / "tensorboard", newest)
        stack.callback(board.close)
        sinks.append(board)
    return writers.ManyWriters(sinks)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Begun(Generic[objective_lib.AnyState]):
    """Snapshots of a run whose first state need not be random, and its rows so far."""

    store: snapshots.TreeSnapshots
    metrics: writers.JsonLinesWriter
    begin: Callable[[objective_lib.AnyState], objective_lib.AnyState] | None

    def save(self, step: int, state: object) -> None:
        """Starts to write the state of `step`."""
        self.store.save(step, state)

    def restore_newest(self, like: Tree) -> Tree | None:
        """Returns the newest state, or the first one as the run wants it.

        Rows of later steps are removed: the run comes to them again.
        """
        found = self.store.restore_newest(like)
        step = 0 if found is None else int(cast(objective_lib.State, found).step)
        self.metrics.keep_until(step)
        if found is not None or self.begin is None:
            return found
        return cast(Tree, self.begin(cast(objective_lib.AnyState, like)))

    def wait(self) -> None:
        """Returns when every save is on disk."""
        self.store.wait()


def _best(
    config: config_lib.PretrainConfig, folder: pathlib.Path, hooks: loop.Hooks
) -> snapshots.BestSnapshot | None:
    if not config.best_metric:
        return None
    if hooks.evaluate is None:
        raise errors.InputError(
            "This run measures nothing on held-out data; got PretrainConfig.best_metric"
            f"={config.best_metric!r}. Set it to ''."
        )
    return snapshots.BestSnapshot(folder / "best", config.best_metric, config.best_mode)


def _check_data(
    path: pathlib.Path, batches: objective_lib.Batches, *, goes_on: bool
) -> None:
    """Refuses other data than the run began with; records it where it begins."""
    found = fingerprint.of_batches(batches)
    if goes_on and path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        fingerprint.check_same(found, stored, f"The run in {path.parent}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found), encoding="utf-8")
