"""The learner process: decide a batch, update, checkpoint, publish, until done.

It is an SPMD program: every host runs this loop in step. Host 0 decides what a batch
holds and when the run ends, and alone writes for others than the learner; what it
cannot do ends every host alike (`core.agreement`). A manifest that exists already is
used as it is, so that a resumed learner repeats what was decided before, bit for bit
on the same devices.
"""

import dataclasses
import functools
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from musicrl_jax.checkpoints import manager
from musicrl_jax.core import agreement, arrays, errors, protocols, sharding, trajectory
from musicrl_jax.learning import channel as channels
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates
from musicrl_jax.transport import batches, manifests, waits

DONE_KEY = "learner/done"
OVER_BUDGET = "over_budget_in_a_row"  # in a checkpoint's meta
MOST_SKIPPED_IN_A_ROW = 10
# One batch holds few prompts, and a single one may be far from the mean.
UPDATES_OVER_BUDGET = 3


@dataclasses.dataclass(kw_only=True)
class Progress:
    """Where the loop is; the one thing in it that changes.

    Attributes:
      state: after `step` updates. Each update gives the buffers of the one before away.
      step: updates done.
      saved_step: the newest step that a checkpoint was begun for, -1 for none.
      waited: seconds spent waiting for batches.
      skipped: updates of the run that were not finite.
      skipped_in_a_row: of these, the ones just now.
      over_budget_in_a_row: updates just now whose batch was beyond the KL budget.
    """

    state: states.LearnerState
    step: int
    saved_step: int
    waited: float = 0.0
    skipped: float = 0.0
    skipped_in_a_row: int = 0
    over_budget_in_a_row: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Learner:
    """Everything that the loop needs; `run` is the loop.

    Attributes:
      update: the algorithm.
      config: its numbers.
      channel: trajectories in, checkpoints and publications out.
      mesh: where state and batches lie.
      centre_value: sets the value head to a mean reward, before the first update.
      publish_every: steps between two checkpoints.
      metrics: takes a row a step (host 0).
      stop: whether this process was asked to save and stop. Every host asks equally
        often, and gets the same answer.
      patience: for batches.
      beat: is told each row of numbers (host 0).
      over_optimised: whether to end the run early because a reward that is not trained
        falls (host 0).
      clock: seconds that never run backwards.
    """

    update: updates.Update
    config: configs.LearnerConfig
    channel: channels.Channel
    mesh: Mesh
    centre_value: Callable[[arrays.Params, float], arrays.Params]
    publish_every: int
    metrics: protocols.MetricWriter
    stop: Callable[[], bool]
    patience: waits.Patience
    beat: Callable[[Mapping[str, float]], None]
    over_optimised: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic

    def run(
        self, state: states.LearnerState, saved: manager.Saved | None
    ) -> states.LearnerState:
        """Updates `state` until the run's steps are done or it has reason to end.

        Args:
          state: fresh or restored.
          saved: the checkpoint that `state` was restored from, None for a fresh run.

        Raises:
          Preempted: asked to stop; the state is on disk.
          TemporaryError: no batch in time, or a checkpoint could not be written.
          InvariantError: another learner took over, or updates stay non-finite.
        """
        at = Progress(
            state=state,
            step=int(state.step),
            saved_step=-1 if saved is None else saved.identity.step,
            skipped=float(state.skipped),
            over_budget_in_a_row=0 if saved is None else saved.meta.get(OVER_BUDGET, 0),
        )
        self._save_and_publish(at)
        try:
            reason = self._loop(at)
        except errors.Preempted:
            self._save_and_publish(at)
            raise
        self._save_and_publish(at)
        record = {"step": at.step, "reason": reason, "epoch": self.channel.epoch}
        agreement.by_host_0(functools.partial(self._note_end, record))
        return at.state

    def _note_end(self, record: Mapping[str, Any]) -> str:
        self.channel.store.put_if_absent(DONE_KEY, json.dumps(record).encode())
        return ""

    def _loop(self, at: Progress) -> str:
        """Updates; returns why it ended.

        That is "steps", "kl_budget" or "over_optimisation".
        """
        if self._budget_is_spent(at):  # stopped before it could say so
            return "kl_budget"
        started = self.clock()
        while at.step < self.config.steps:
            manifest = self._manifest(at)
            row = self._step(at, manifest)
            self._count_over_budget(at, row)
            row["time/wait_share"] = at.waited / max(self.clock() - started, 1e-9)
            if at.step % self.publish_every == 0:
                self._save(at)
            reason = agreement.by_host_0(functools.partial(self._report, at, row))
            if reason:
                return reason
        return "steps"

    def _report(self, at: Progress, row: dict[str, float]) -> str:
        """Tells others of a step; returns why to end after it, "" to go on."""
        self.metrics.write(at.step, row)
        self.beat({"step": at.step} | row)
        self._publish_finished(wait=False)
        if self._budget_is_spent(at):
            return "kl_budget"
        return "over_optimisation" if self.over_optimised() else ""

    def _count_over_budget(self, at: Progress, row: Mapping[str, float]) -> None:
        over = row.get("kl/sequence", 0.0) > self.config.kl_budget_nats
        at.over_budget_in_a_row = at.over_budget_in_a_row + 1 if over else 0

    def _budget_is_spent(self, at: Progress) -> bool:
        """Returns whether the batches just now were all beyond the KL budget."""
        return at.over_budget_in_a_row >= UPDATES_OVER_BUDGET

    def _manifest(self, at: Progress) -> manifests.Manifest:
        """Returns the definition of the next batch, the same on every host."""
        started = self.clock()
        if self.stop():
            raise _preempted(at.step)
        agreed = agreement.led(
            functools.partial(self._decide, at), functools.partial(self._idle, at)
        )
        manifest = waits.wait_for(
            lambda: self.channel.log.get(at.step),
            f"batch {at.step}, which host 0 has decided on,",
            self.patience,
        )
        if manifest.sha256 != agreed:
            raise errors.InvariantError(
                f"Host {jax.process_index()} reads another manifest of step {at.step} "
                "than host 0. Check that all hosts share the run directory."
            )
        at.waited += self.clock() - started
        return manifest

    def _decide(self, at: Progress, sign: Callable[[], None]) -> str:
        """Returns the hash of the next batch's manifest."""
        patience = dataclasses.replace(self.patience, meanwhile=sign)
        return self.channel.leader.manifest(at.step, patience).sha256

    def _idle(self, at: Progress) -> None:
        """Publishes what is on disk while waiting, and heeds a request to stop."""
        stop = self.stop()
        if jax.process_index() != 0:
            return
        self._publish_finished(wait=False)
        if stop:
            raise _preempted(at.step)

    def _step(self, at: Progress, manifest: manifests.Manifest) -> dict[str, float]:
        """Moves the state by one update; returns its numbers."""
        started = self.clock()
        batch = agreement.together(functools.partial(self._batch, manifest))
        state = at.state
        if at.step == 0:
            mean = float(jnp.mean(batch.rewards))
            value = self.centre_value(state.value, mean)
            state = dataclasses.replace(state, value=value)
        warming = at.step < self.config.value_warmup_steps
        update = self.update.warm_up if warming else self.update
        at.state, numbers = update(state, batch)
        row = {name: float(x) for name, x in jax.device_get(numbers).items()}
        at.step += 1
        self._count_skipped(at, row)
        return row | {
            "reward/mean": float(jnp.mean(batch.rewards)),
            "lag/mean": float(np.mean(manifest.staleness)),
            "lag/max": float(np.max(manifest.staleness)),
            "time/update": self.clock() - started,
            **{f"dropped/{why}": n for why, n in manifest.drop_counts.items()},
        }

    def _batch(self, manifest: manifests.Manifest) -> trajectory.TrajectoryBatch:
        """Returns the batch that `manifest` defines, laid over the mesh."""
        rows = sharding.batch_sharding(self.mesh)
        for key in sorted(batches.own_keys(manifest, rows)):
            self._check_temperature(key, manifest.objects[key].sha256)
        return batches.assemble(self.channel.trajectories, manifest, rows)

    def _check_temperature(self, key: str, sha256: str) -> None:
        sampled = self.channel.trajectories.load(key, sha256).temperature
        if sampled != self.config.temperature:
            raise errors.InvariantError(
                f"Actors must sample at LearnerConfig.temperature "
                f"({self.config.temperature}); {key} was sampled at {sampled}. "
                "Give all roles the same config."
            )

    def _count_skipped(self, at: Progress, row: dict[str, float]) -> None:
        """Gives up where updates stay non-finite, before weights could be harmed."""
        more = row["update/skipped"] > at.skipped
        at.skipped = row["update/skipped"]
        at.skipped_in_a_row = at.skipped_in_a_row + 1 if more else 0
        if at.skipped_in_a_row > MOST_SKIPPED_IN_A_ROW:
            raise errors.InvariantError(
                f"{at.skipped_in_a_row} updates in a row were not finite, at step "
                f"{at.step}. Lower the learning rates or look at the rewards; the last "
                "checkpoint is good."
            )

    def _save(self, at: Progress) -> None:
        """Begins to save the state, unless its step is saved already."""
        if at.saved_step >= at.step:
            return
        agreement.together(functools.partial(self._publish_finished, wait=True))
        meta = {
            "config_hash": self.channel.config_hash,
            OVER_BUDGET: at.over_budget_in_a_row,
        }
        self.channel.checkpoints.save(at.step, states.as_trees(at.state), meta)
        at.saved_step = at.step

    def _save_and_publish(self, at: Progress) -> None:
        """Returns when the state is on disk, and actors know it."""
        self._save(at)
        agreement.together(functools.partial(self._publish_finished, wait=True))

    def _publish_finished(self, *, wait: bool) -> None:
        """Publishes the checkpoints that have reached the disk."""
        if wait:
            self.channel.checkpoints.wait()
        for saved in self.channel.checkpoints.finished():
            self.channel.publish(saved)


def _preempted(step: int) -> errors.Preempted:
    return errors.Preempted(
        f"Asked to stop at step {step}; everything is saved. The same command goes on."
    )
