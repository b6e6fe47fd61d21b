"""What a learner shares with the other processes: batches in, weights out."""

import dataclasses
from collections.abc import Callable, Mapping, MutableMapping

import jax

from musicrl_jax.checkpoints import manager
from musicrl_jax.transport import gc, leader, manifests, publications, reader
from musicrl_jax.transport import store as stores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Channel:
    """The learner's side of what processes share.

    Attributes:
      store: of the run.
      epoch: of this learner.
      checkpoints: saves in the background.
      log: the manifests.
      trajectories: what actors wrote.
      leader: decides batches (host 0).
      lineage: digest of the published weights by step.
      oldest_checkpoint: step of the oldest checkpoint that is kept.
      config_hash: of the run.
      versions: of the packages that matter.
    """

    store: stores.Store
    epoch: int
    checkpoints: manager.CheckpointStore
    log: manifests.ManifestLog
    trajectories: reader.TrajectoryReader
    leader: leader.BatchLeader
    lineage: MutableMapping[int, str]
    oldest_checkpoint: Callable[[], int | None]
    config_hash: str
    versions: Mapping[str, str]

    def publish(self, saved: manager.Saved) -> None:
        """Makes a checkpoint that is on disk known to actors (host 0)."""
        self.lineage[saved.identity.step] = saved.policy.summary
        if jax.process_index() != 0:
            return
        publications.publish(
            self.store,
            publications.Publication(
                epoch=self.epoch,
                step=saved.identity.step,
                checkpoint_epoch=saved.identity.epoch,
                policy=saved.policy,
                config_hash=self.config_hash,
                versions=self.versions,
            ),
        )
        self.checkpoints.prune()
        oldest = self.oldest_checkpoint()
        if oldest is not None:
            gc.collect(self.store, self.log, oldest)
