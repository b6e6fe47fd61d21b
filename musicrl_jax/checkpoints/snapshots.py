"""Orbax checkpoints of one tree: the state of a supervised run."""

import pathlib
from typing import TypeVar, cast

import jax
import orbax.checkpoint as ocp

Tree = TypeVar("Tree")


class TreeSnapshots:
    """Saves and restores one tree under `directory`, asynchronously.

    Unlike `manager`, which keeps the learner's items with digests and epochs, this has
    one writer, one reader and one item.
    """

    def __init__(self, directory: pathlib.Path, *, keep: int = 2) -> None:
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep, enable_async_checkpointing=True
            ),
        )

    def save(self, step: int, state: object) -> None:
        """Starts to write `state`; a step that is there already is left as it is."""
        if step not in self._manager.all_steps():
            self._manager.save(step, args=ocp.args.StandardSave(state))

    def restore_newest(self, like: Tree) -> Tree | None:
        """Returns the newest tree, shaped, typed and laid out like `like`."""
        step = self._manager.latest_step()
        if step is None:
            return None
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        restored = self._manager.restore(step, args=ocp.args.StandardRestore(abstract))
        return cast(Tree, restored)

    def wait(self) -> None:
        """Returns when every save is on disk; raises what a save raised."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits, then releases the writer's threads."""
        self.wait()
        self._manager.close()
