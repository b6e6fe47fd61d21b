"""`musicrl learner`: turns the trajectories of a run into better policies."""

import dataclasses
import functools
import importlib.metadata
import json
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import Mesh

from musicrl_jax.checkpoints import manager
from musicrl_jax.checkpoints import reader as checkpoint_reader
from musicrl_jax.core import agreement, arrays, errors, protocols, sharding
from musicrl_jax.core import layout as layouts
from musicrl_jax.learning import channel as channels
from musicrl_jax.learning import learner as loops
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.runs import (
    policy_source,
    run_config,
    run_inputs,
    stopping,
    system,
    telemetry,
)
from musicrl_jax.transport import (
    epochs,
    heartbeats,
    keys,
    leader,
    manifests,
    preflight,
    publications,
    reader,
    selection,
    waits,
)
from musicrl_jax.transport import store as stores

PACKAGES = ("jax", "flax", "optax", "orbax-checkpoint", "musicrl_jax")


def run(config: run_config.RunConfig) -> dict[str, Any]:
    """Learns until the run's steps are done or it has reason to end.

    Returns:
      The steps done and how many updates were skipped, or the record of how the run
      ended where it has.

    Raises:
      InputError: a missing directory, file or right.
      ConfigMismatchError: the run was begun with another config.
      Preempted: asked to stop; the state is saved.
      TemporaryError: the actors sent too little for too long.
    """
    stop = stopping.learner_stop_request()
    store, config_hash = run_inputs.open_run(config)
    done = store.get(loops.DONE_KEY) or b""
    if record := agreement.by_host_0(done.decode):
        return json.loads(record)
    language = system.load_language(
        system.networks_directory(config.networks), config.policy
    )
    networks = Networks(
        policy=language.policy,
        value=language.value,
        policy_params=language.params,
        value_params=musiclm.value_params_from(language.params, 0.0),
        centre_value=musiclm.centred_value,
    )
    return learn(config, Run(store=store, config_hash=config_hash), networks, stop)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
    """What a learner trains, and where it starts.

    Attributes:
      policy: the network.
      value: the baseline.
      policy_params: theta_0.
      value_params: of the baseline at the start.
      centre_value: sets the value head to a mean reward.
    """

    policy: protocols.Policy
    value: protocols.ValueFunction
    policy_params: arrays.Params
    value_params: arrays.Params
    centre_value: Callable[[arrays.Params, float], arrays.Params]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """A run directory that has taken the config, and the hash that it goes by."""

    store: stores.Store
    config_hash: str


def learn(
    config: run_config.RunConfig,
    run: Run,
    networks: Networks,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    """Claims the run and learns, on all hosts together; see `run`."""
    store = run.store
    leads = jax.process_index() == 0
    agreement.together(
        lambda: preflight.check_access(
            store, writes=[keys.BATCHES, keys.PUBLICATIONS] if leads else []
        )
    )
    mesh = sharding.make_mesh(config.mesh)
    epoch = int(agreement.by_host_0(lambda: str(epochs.claim(store))))
    state, saved = restore_or_start(config, networks, mesh)
    channel = agreement.together(
        lambda: make_channel(config, run, epoch, saved, networks.policy.layout)
    )
    loop = loops.Learner(
        update=updates.Update(
            policy=networks.policy,
            value=networks.value,
            config=config.learner,
            mesh=mesh,
        ),
        config=config.learner,
        channel=channel,
        mesh=mesh,
        centre_value=networks.centre_value,
        publish_every=config.publish_every,
        metrics=telemetry.make_writer(config.run_dir, store, "learner"),
        stop=stop,
        patience=waits.Patience(timeout_seconds=config.batch_timeout_seconds),
        beat=heartbeats.Heartbeat(store, "learner", "0").beat,
        over_optimised=functools.partial(is_over_optimised, config, store),
    )
    try:
        state = loop.run(state, saved)
    except errors.MusicRLError:  # not where a host is lost: closing waits for it
        channel.checkpoints.close()
        raise
    channel.checkpoints.close()
    return {"steps": int(state.step), "skipped": int(state.skipped)}


def restore_or_start(
    config: run_config.RunConfig, networks: Networks, mesh: Mesh
) -> tuple[states.LearnerState, manager.Saved | None]:
    """Returns the state of the newest verified checkpoint, or the first state."""
    fresh = states.initial_state(
        networks.policy_params, networks.value_params, config.learner, mesh
    )
    found = checkpoint_reader.CheckpointReader(config.run_dir).restore_newest_verified(
        policy_source.abstract_tree(states.as_trees(fresh))
    )
    if found is None:
        return fresh, None
    state = states.from_trees(found.trees, found.identity.step, fresh.reference)
    # Laid out as a fresh state is, or the update would be compiled anew.
    state = states.shard_state(state, mesh)
    saved = manager.Saved(identity=found.identity, policy=found.policy, meta=found.meta)
    return state, saved


def make_channel(
    config: run_config.RunConfig,
    run: Run,
    epoch: int,
    saved: manager.Saved | None,
    layout: layouts.TokenLayout,
) -> channels.Channel:
    """Returns the learner's side of the run directory, what was restored published."""
    store = run.store
    if jax.process_index() == 0:
        origin = None if saved is None else (saved.identity.epoch, saved.identity.step)
        epochs.record_parent(store, epoch, origin)
    log = manifests.ManifestLog(store)
    log.refresh()
    trajectories = reader.TrajectoryReader(store, log, layout)
    lineage = publications.lineage(store, epoch)
    checkpoints = checkpoint_reader.CheckpointReader(config.run_dir)
    channel = channels.Channel(
        store=store,
        epoch=epoch,
        checkpoints=manager.CheckpointStore(
            config.run_dir, epoch, keep=config.keep_checkpoints
        ),
        log=log,
        trajectories=trajectories,
        leader=leader.BatchLeader(
            log=log,
            trajectories=trajectories,
            config=selection.SelectionConfig(
                batch_clips=config.learner.batch_clips,
                max_staleness=config.learner.max_staleness,
            ),
            epoch=epoch,
            lineage=lineage,
        ),
        lineage=lineage,
        oldest_checkpoint=checkpoints.oldest_step,
        config_hash=run.config_hash,
        versions=versions(),
    )
    if saved is not None:
        channel.publish(saved)
    return channel


def is_over_optimised(config: run_config.RunConfig, store: stores.Store) -> bool:
    """Returns whether the run should end because the evaluator saw a reward fall."""
    if not config.evaluator.stop_on_over_optimisation:
        return False
    return store.get(keys.OVER_OPTIMISATION) is not None


def versions() -> dict[str, str]:
    """Returns the versions of the packages that a publication names."""
    found = {"devices": f"{jax.device_count()} {jax.devices()[0].platform}"}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found
