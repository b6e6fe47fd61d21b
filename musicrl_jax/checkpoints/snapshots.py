"""Orbax checkpoints of one tree: a supervised run's newest states and its best."""

import logging
import math
import pathlib
from collections.abc import Mapping
from typing import TypeVar, cast

import jax
import orbax.checkpoint as ocp

from musicrl_jax.checkpoints import reader, seals
from musicrl_jax.core import errors

Tree = TypeVar("Tree")

DAMAGED = "damaged_checkpoints"
_ITEM = "default"
_LOG = logging.getLogger(__name__)


class TreeSnapshots:
    """Saves and restores one tree under `directory`, asynchronously.

    Unlike `manager`, which keeps the learner's items with digests and epochs, this has
    one writer, one reader and one item. Each checkpoint carries checksums of its files.
    """

    def __init__(self, directory: pathlib.Path, *, keep: int = 2) -> None:
        self._folder = directory.absolute()
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep,
                enable_async_checkpointing=True,
                async_options=_sealing(self._folder),
            ),
        )

    def newest_step(self) -> int | None:
        """Returns the step of the newest checkpoint, believable or not."""
        return max(self._manager.all_steps(), default=None)

    def save(self, step: int, state: object) -> None:
        """Starts to write `state`; a step that is there already is left as it is."""
        if step not in self._manager.all_steps():
            self._manager.save(step, args=ocp.args.StandardSave(state))

    def restore_newest(self, like: Tree) -> Tree | None:
        """Returns the newest tree that is whole, shaped and laid out like `like`.

        Newer ones that are damaged are moved out of the way, with a warning.

        Raises:
          InputError: where the checkpoint is of another tree.
          InvariantError: where all checkpoints are damaged.
        """
        rejected: list[tuple[int, str]] = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                tree = _restored(self._manager, self._folder / str(step), like)
            except reader.DamagedCheckpointError as error:
                rejected.append((step, str(error)))
                continue
            self._set_aside(rejected, step)
            return tree
        if rejected:
            raise errors.InvariantError(
                f"None of {len(rejected)} checkpoints in {self._folder} can be used; "
                f"the newest: {rejected[0][1]} Restore one from a copy, or start in a "
                "new run directory."
            )
        return None

    def wait(self) -> None:
        """Returns when every save is on disk; raises what a save raised."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, then releases the writer's threads."""
        self.wait()
        self._manager.close()

    def _set_aside(self, rejected: list[tuple[int, str]], used: int) -> None:
        for step, reason in rejected:
            _LOG.warning("%s Going on from step %d.", reason, used)
            target = self._folder.parent / DAMAGED / str(step)
            target.parent.mkdir(exist_ok=True)
            number = sum(path.stem == str(step) for path in target.parent.iterdir())
            (self._folder / str(step)).rename(
                target.with_suffix(f".{number}" if number else "")
            )
        if rejected:
            self._manager.reload()


class BestSnapshot:
    """Keeps the one state whose held-out figure is the best so far.

    Its value is stored with it, so that a run that goes on compares with it too, and
    checksums of its files.
    """

    def __init__(self, directory: pathlib.Path, metric: str, mode: str) -> None:
        """Opens the folder.

        Args:
          directory: of this state alone.
          metric: name of the figure.
          mode: "min" where less is better, "max" where more is.

        Raises:
          InvariantError: where the state is damaged.
        """
        self._folder = directory.absolute()
        self._check_newest()
        self._metric = metric
        self._sign = 1.0 if mode == "min" else -1.0
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                max_to_keep=1,
                best_mode="min",
                best_fn=self._rank,
                async_options=_sealing(self._folder),
            ),
        )

    def offer(
        self, step: int, state: object, figures: Mapping[str, float | int]
    ) -> None:
        """Keeps `state`, on disk, where its figure is better than the best one's.

        Raises:
          InputError: where `figures` lack the metric.
        """
        if self._metric not in figures:
            raise errors.InputError(
                f"PretrainConfig.best_metric must be one of {sorted(figures)}; got "
                f"{self._metric!r}. Correct the name."
            )
        rank = self._rank(figures)
        best = self._manager.best_step()
        if math.isfinite(rank) and (
            best is None or rank < self._rank(self._manager.metrics(best))
        ):
            value = {self._metric: float(figures[self._metric])}
            args = ocp.args.StandardSave(state)
            self._manager.save(step, args=args, metrics=value, force=True)
            self._manager.wait_until_finished()

    def restore(self, like: Tree) -> Tree | None:
        """Returns the best state, shaped and laid out like `like`; None if none.

        Raises:
          InputError: where it is of another tree.
          InvariantError: where it is damaged.
        """
        step = self._manager.best_step()
        if step is None:
            return None
        try:
            return _restored(self._manager, self._folder / str(step), like)
        except reader.DamagedCheckpointError as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Waits, then releases the writer's threads."""
        self._manager.wait_until_finished()
        self._manager.close()

    def _check_newest(self) -> None:
        """Looks at the state's checksums, and its figure's, before Orbax reads it.

        Older ones may be half removed by a process that was killed.
        """
        names = [path.name for path in self._folder.glob("[0-9]*")]
        steps = [int(name) for name in names if name.isdigit()]
        try:
            if steps:
                _check_seal(self._folder / str(max(steps)))
        except reader.DamagedCheckpointError as error:
            raise self._lost(error) from error

    def _lost(self, error: reader.DamagedCheckpointError) -> errors.InvariantError:
        return errors.InvariantError(
            f"{error} Restore it from a copy; or remove {self._folder} and start "
            "again, which keeps the best from then on, or exports the last state."
        )

    def _rank(self, figures: Mapping[str, float | int] | None) -> float:
        """Returns a number that is the lower the better; other metrics come last."""
        value = (figures or {}).get(self._metric)
        return math.inf if value is None else self._sign * value


def _sealing(root: pathlib.Path) -> ocp.AsyncOptions:
    """Returns options that add checksums to a checkpoint whose files are complete.

    That is before Orbax gives it its name, so that none is without.
    """

    def seal() -> None:
        for folder in root.glob("[0-9]*"):
            if (folder / _ITEM).is_dir() and not seals.is_sealed(folder):
                seals.seal(folder)

    return ocp.AsyncOptions(post_finalization_callback=seal)


def _check_seal(folder: pathlib.Path) -> bool:
    """Returns whether `folder` has checksums, which are right.

    Raises:
      DamagedCheckpointError: where they are wrong.
    """
    sealed = seals.is_sealed(folder)
    if sealed and (found := seals.damage(folder)):
        raise reader.DamagedCheckpointError(f"Checkpoint {folder} is damaged: {found}.")
    return sealed


def _restored(manager: ocp.CheckpointManager, folder: pathlib.Path, like: Tree) -> Tree:
    """Restores the checkpoint in `folder`, whose checksums are looked at first."""
    sealed = _check_seal(folder)
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    args = ocp.args.StandardRestore(abstract)
    try:
        return cast(Tree, manager.restore(int(folder.name), args=args))
    except (MemoryError, jax.errors.JaxRuntimeError):
        raise
    except Exception as error:  # plain Exception is what lost chunks raise
        reason = " ".join(str(error).split())[:200]
        if sealed:
            raise errors.InputError(
                f"Checkpoint {folder} holds another network or optimizer ({reason}). "
                "Use the configuration that it was made with, or another run_dir."
            ) from error
        raise reader.DamagedCheckpointError(
            f"Checkpoint {folder} is unreadable ({reason})."
        ) from error
