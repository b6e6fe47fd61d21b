"""Reads the learner's checkpoints, and believes none whose digests do not match.

checkpoints/e000003/<step>/policy, value, optimizer   trees
checkpoints/e000003/<step>/meta                       JSON with the trees' digests
"""

import dataclasses
import functools
import json
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from etils import epath
from jaxtyping import PyTree

from musicrl_jax.checkpoints import digests
from musicrl_jax.core import agreement, arrays, errors

POLICY = "policy"
META = "meta"
_DONE = "commit_success.txt"
_EPOCH = "e{:06d}"
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OSError)


class DamagedCheckpointError(errors.TemporaryError):
    """A checkpoint is incomplete, gone or not what was saved; try another."""


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class CheckpointId:
    """Which checkpoint; the order is that of readers, newest last."""

    epoch: int
    step: int

    def __str__(self) -> str:
        return f"{self.epoch}/{self.step}"

    @classmethod
    def parse(cls, text: str) -> "CheckpointId":
        """Returns what `str` gave `text` of."""
        epoch, step = text.split("/")
        return cls(epoch=int(epoch), step=int(step))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Restored:
    """A verified learner checkpoint.

    Attributes:
      identity: which one.
      trees: by name, "policy" and others, as in the abstract trees.
      meta: what was saved beside them.
      policy: digest of the policy's tree, for its publication.
      rejected: newer checkpoints that could not be believed, with the reason.
    """

    identity: CheckpointId
    trees: Mapping[str, PyTree]
    meta: Mapping[str, Any]
    policy: digests.TreeDigest
    rejected: tuple[str, ...]


class CheckpointReader:
    """Reads the checkpoints below a run directory; writes nothing."""

    def __init__(self, run_dir: str) -> None:
        self.root = checkpoint_root(run_dir)

    def list(self) -> list[CheckpointId]:
        """Returns the finished checkpoints of all epochs, oldest first."""
        return sorted(
            CheckpointId(epoch=int(folder.name[1:]), step=int(step.name))
            for folder in _children(self.root)
            if folder.name.startswith("e") and folder.name[1:].isdigit()
            for step in _children(folder)
            if step.name.isdigit() and (step / _DONE).exists()
        )

    def oldest_step(self) -> int | None:
        """Returns the lowest step that a resume may fall back to."""
        return min((identity.step for identity in self.list()), default=None)

    def restore_newest_verified(
        self, abstract: Mapping[str, PyTree]
    ) -> Restored | None:
        """Returns the newest checkpoint that is what was saved; None for a fresh run.

        Args:
          abstract: for each tree's name `jax.ShapeDtypeStruct`s, with shardings where
            the leaves are to lie on a mesh. Over several hosts all of them call this,
            and restore what host 0 finds.

        Raises:
          InputError: where a checkpoint is of another tree or other shapes.
          InvariantError: where there are checkpoints and none can be believed.
        """
        rejected: list[str] = []
        found = self.list()
        while name := agreement.by_host_0(lambda: str(found.pop()) if found else ""):
            restore = functools.partial(
                self._restore, CheckpointId.parse(name), abstract, tuple(rejected)
            )
            try:
                return agreement.together(restore)
            except errors.TemporaryError as error:  # of this host or of another
                rejected.append(str(error))
        if rejected:
            raise errors.InvariantError(
                f"None of {len(rejected)} checkpoints below {self.root} can be "
                f"believed; the newest: {rejected[0]} Restore one from a copy, or "
                "start in a new run directory."
            )
        return None

    def restore_policy(
        self, identity: CheckpointId, digest: digests.TreeDigest, abstract: PyTree
    ) -> arrays.Params:
        """Returns the policy's parameters, which have `digest`.

        Args:
          identity: the checkpoint that a publication names.
          digest: that the publication states.
          abstract: shapes, wanted dtypes and shardings.

        Raises:
          InputError: where the policy is of another tree or other shapes.
          DamagedCheckpointError: where it is gone or not what was published.
        """
        return self._tree(identity, POLICY, digest, abstract)

    def meta(self, identity: CheckpointId) -> dict[str, Any]:
        """Returns what was saved beside the trees.

        Raises:
          DamagedCheckpointError: where it is gone or not what was saved.
        """
        return self._record(identity)["meta"]

    def _restore(
        self,
        identity: CheckpointId,
        abstract: Mapping[str, PyTree],
        rejected: tuple[str, ...],
    ) -> Restored:
        record = self._record(identity)
        saved = {
            name: digests.TreeDigest.from_dict(fields)
            for name, fields in record["digests"].items()
        }
        if saved.keys() != abstract.keys():
            raise errors.InputError(
                f"{_name(identity)} holds {sorted(saved)}; this configuration has "
                f"{sorted(abstract)}. Use the configuration that it was made with."
            )
        trees = {
            name: self._tree(identity, name, saved[name], tree)
            for name, tree in abstract.items()
        }
        return Restored(
            identity=identity,
            trees=trees,
            meta=record["meta"],
            policy=saved[POLICY],
            rejected=rejected,
        )

    def _tree(
        self,
        identity: CheckpointId,
        name: str,
        digest: digests.TreeDigest,
        abstract: PyTree,
    ) -> PyTree:
        digest.check_tree(abstract, f"{_name(identity)}, item {name!r},")
        path = self._path(identity) / name
        try:
            stored = ocp.StandardCheckpointer().restore(path, _stored(abstract, digest))
        except (MemoryError, jax.errors.JaxRuntimeError):
            raise
        except Exception as error:  # plain Exception is what lost chunks raise
            raise _damaged(identity, f"item {name!r} is unreadable", error) from error
        wrong = digest.differences(digests.digest_tree(stored))
        if wrong:
            raise _damaged(identity, f"digests differ, {name}/{wrong[0]} first", None)
        return jax.tree.map(_cast, stored, abstract)

    def _record(self, identity: CheckpointId) -> dict[str, Any]:
        try:
            text = (self._path(identity) / META / "metadata").read_text()
            record = json.loads(text)
            intact = record["crc32"] == checksum(record["body"])
        except _UNREADABLE as error:
            raise _damaged(identity, "meta is unreadable", error) from error
        body = record["body"]
        if not intact or body["step"] != identity.step:
            raise _damaged(identity, "meta is not what was saved", None)
        return body

    def _path(self, identity: CheckpointId) -> epath.Path:
        return epoch_folder(self.root, identity.epoch) / str(identity.step)


def checkpoint_root(run_dir: str) -> epath.Path:
    """Returns the folder of a run's checkpoints.

    Raises:
      InputError: for an address that checkpoints cannot be written to.
    """
    plain = run_dir.removeprefix("file://")
    if "://" in plain and not plain.startswith("gs://"):
        raise errors.InputError(
            "Checkpoints need a file system or gs://; the run directory is "
            f"{run_dir}. Mount the bucket, or use one on GCS."
        )
    path = epath.Path(plain)
    return (path if plain.startswith("gs://") else path.absolute()) / "checkpoints"


def epoch_folder(root: epath.Path, epoch: int) -> epath.Path:
    """Returns the folder of the checkpoints of `epoch`, which has one writer."""
    return root / _EPOCH.format(epoch)


def checksum(body: Mapping[str, Any]) -> int:
    """Returns the checksum of a checkpoint's meta."""
    return zlib.crc32(json.dumps(body, sort_keys=True).encode())


def _children(folder: epath.Path) -> list[epath.Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _stored(abstract: PyTree, digest: digests.TreeDigest) -> PyTree:
    """Returns `abstract` with the dtypes on disk and a place for each leaf."""

    def leaf(path: tuple[Any, ...], want: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        place = want.sharding or jax.sharding.SingleDeviceSharding(jax.devices()[0])
        is_key = jnp.issubdtype(want.dtype, jax.dtypes.prng_key)
        dtype = want.dtype if is_key else jnp.dtype(digest.leaves[name].dtype)
        return jax.ShapeDtypeStruct(want.shape, dtype, sharding=place)

    return jax.tree_util.tree_map_with_path(leaf, abstract)


def _cast(leaf: jax.Array, want: jax.ShapeDtypeStruct) -> jax.Array:
    return leaf if leaf.dtype == want.dtype else leaf.astype(want.dtype)


def _name(identity: CheckpointId) -> str:
    return f"Checkpoint {_EPOCH.format(identity.epoch)}/{identity.step}"


def _damaged(
    identity: CheckpointId, reason: str, error: Exception | None
) -> DamagedCheckpointError:
    known = " ".join(str(error).split())[:200] if error else ""
    return DamagedCheckpointError(
        f"{_name(identity)} is damaged: {reason}{f' ({known})' if known else ''}."
    )
