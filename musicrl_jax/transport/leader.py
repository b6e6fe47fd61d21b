"""The learner leader's part: decides what each batch holds, once and for all."""

import dataclasses
from collections.abc import Mapping

from musicrl_jax.transport import manifests, reader, selection, waits


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchLeader:
    """Composes the manifests of a run.

    Attributes:
      log: the manifests so far.
      trajectories: what actors wrote.
      config: size and staleness of batches.
      epoch: of this learner.
      lineage: digest of the published weights by step; the learner adds to it.
    """

    log: manifests.ManifestLog
    trajectories: reader.TrajectoryReader
    config: selection.SelectionConfig
    epoch: int
    lineage: Mapping[int, str]

    def manifest(self, step: int, patience: waits.Patience) -> manifests.Manifest:
        """Returns the manifest of `step`: the one that exists, else a new one.

        Raises:
          TemporaryError: where actors do not write enough in time; the text says what
            there is.
        """
        decided = self.log.get(step)
        if decided is None:
            selected = waits.wait_for(
                lambda: self._complete(step),
                f"{self.config.batch_clips} clips for step {step}",
                patience,
                lambda: self._supply(step),
            )
            decided = self.log.commit(
                manifests.Manifest(
                    step=step,
                    epoch=self.epoch,
                    items=selected.items,
                    objects=selected.objects,
                    dropped=selected.dropped,
                )
            )
        self.trajectories.quarantine(decided)
        return decided

    def backlog(self, step: int) -> int:
        """Returns how many trajectories are waiting to be used at `step`."""
        return len(self.trajectories.candidates(step - self.config.max_staleness))

    def _select(self, step: int) -> selection.Selection:
        return selection.select_batch(
            self.trajectories.candidates(step - self.config.max_staleness),
            step=step,
            config=self.config,
            lineage=self.lineage,
            log=self.log,
        )

    def _complete(self, step: int) -> selection.Selection | None:
        selected = self._select(step)
        if len(selected.items) == self.config.batch_clips:
            return selected
        self.trajectories.refuse(selected.dropped)
        return None

    def _supply(self, step: int) -> str:
        selected = self._select(step)
        return (
            f"{len(selected.items)} are usable and "
            f"{len(selected.dropped)} trajectories are not"
        )
