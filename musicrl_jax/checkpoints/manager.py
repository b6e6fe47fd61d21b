"""Writes the learner's checkpoints in the background, under its own epoch."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from musicrl_jax.checkpoints import digests, reader
from musicrl_jax.core import errors

_FAILURES = (OSError, ValueError, RuntimeError)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saved:
    """A checkpoint that is on disk and may be published.

    Attributes:
      identity: which one.
      policy: digest of the policy's tree.
      meta: what was saved beside the trees.
    """

    identity: reader.CheckpointId
    policy: digests.TreeDigest
    meta: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class CheckpointStore:
    """Saves the trees of one learner; another learner has another epoch and folder."""

    def __init__(self, run_dir: str, epoch: int, *, keep: int = 5) -> None:
        """Opens the folder of `epoch`.

        Args:
          run_dir: a directory or a gs:// address.
          epoch: of this learner.
          keep: newest checkpoints to keep; fewer than 5 may vanish under readers.

        Raises:
          InputError: where the folder cannot be made.
        """
        if keep < 1:
            raise errors.InputError(
                f"At least one checkpoint must be kept; got keep={keep}. Set it to 5."
            )
        self._reader = reader.CheckpointReader(run_dir)
        self._epoch = epoch
        self._keep = keep
        self._pending: list[Saved] = []
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, enable_async_checkpointing=True, create=True
        )
        folder = reader.epoch_folder(self._reader.root, epoch)
        try:
            self._manager = ocp.CheckpointManager(folder, options=options)
        except OSError as error:
            raise errors.InputError(
                f"The learner must be able to write {folder}; {error.strerror}. "
                "Choose another run directory or change its rights."
            ) from error

    def save(
        self, step: int, trees: Mapping[str, PyTree], meta: Mapping[str, Any]
    ) -> digests.TreeDigest:
        """Starts to write a checkpoint; returns when the arrays may change again.

        Args:
          step: the learner step of the trees.
          trees: "policy" and the others, by name; not "meta".
          meta: what JSON can hold, such as the configuration's hash.

        Returns:
          The digest of the policy's tree.

        Raises:
          TemporaryError: where the save before this one failed, or this one cannot
            begin.
        """
        self.wait()
        found = {name: digests.digest_tree(tree) for name, tree in trees.items()}
        body = {
            "step": step,
            "epoch": self._epoch,
            "digests": {name: digest.to_dict() for name, digest in found.items()},
            "meta": dict(meta),
        }
        items: dict[str, ocp.args.CheckpointArgs] = {
            name: ocp.args.StandardSave(tree) for name, tree in trees.items()
        }
        record = {"crc32": reader.checksum(body), "body": body}
        items[reader.META] = ocp.args.JsonSave(record)
        try:
            self._manager.save(step, args=ocp.args.Composite(**items), force=True)
        except _FAILURES as error:
            raise _failed(step, error) from error
        identity = reader.CheckpointId(epoch=self._epoch, step=step)
        policy = found[reader.POLICY]
        self._pending.append(Saved(identity=identity, policy=policy, meta=body["meta"]))
        return policy

    def finished(self) -> tuple[Saved, ...]:
        """Returns the checkpoints that are on disk since the last call, at once.

        Raises:
          TemporaryError: where a save failed.
        """
        if self._pending and not self._manager.is_saving_in_progress():
            self.wait()
            done, self._pending = tuple(self._pending), []
            return done
        return ()

    def wait(self) -> None:
        """Returns when every save is on disk.

        Raises:
          TemporaryError: where one failed; the checkpoints before it are whole.
        """
        try:
            self._manager.wait_until_finished()
        except _FAILURES as error:
            step = self._pending.pop().identity.step if self._pending else -1
            raise _failed(step, error) from error

    def prune(self) -> None:
        """Removes checkpoints of older epochs beyond the newest `keep` of all."""
        if jax.process_index() != 0:
            return
        for identity in self._reader.list()[: -self._keep]:
            if identity.epoch < self._epoch:
                folder = reader.epoch_folder(self._reader.root, identity.epoch)
                (folder / str(identity.step)).rmtree(missing_ok=True)

    def close(self) -> None:
        """Waits, then releases the writer's threads.

        Raises:
          TemporaryError: where a save failed.
        """
        try:
            self.wait()
        finally:
            self._manager.close()


def _failed(step: int, error: Exception) -> errors.TemporaryError:
    reason = " ".join(str(error).split())[:300]
    return errors.TemporaryError(
        f"The checkpoint of step {step} could not be written: {reason}. Free space or "
        "mend the rights of the run directory; the run resumes from the one before."
    )
