"""`musicrl learner`: turns the trajectories of a run into better policies."""

import functools
import importlib.metadata
import json
from typing import Any

import jax
from jax.sharding import Mesh

from musicrl_jax.checkpoints import manager
from musicrl_jax.checkpoints import reader as checkpoint_reader
from musicrl_jax.core import sharding
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
    batches,
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
    stop = stopping.StopRequest(watch_parent=True).listen()
    store, config_hash = run_inputs.open_run(config)
    if (done := store.get(loops.DONE_KEY)) is not None:
        return json.loads(done)
    preflight.check_access(store, writes=[keys.BATCHES, keys.PUBLICATIONS])
    language = system.load_language(
        system.networks_directory(config.networks), config.policy
    )
    mesh = sharding.make_mesh(config.mesh)
    epoch = epochs.claim(store)
    state, saved = restore_or_start(config, language, mesh)
    origin = None if saved is None else (saved.identity.epoch, saved.identity.step)
    epochs.record_parent(store, epoch, origin)
    channel = make_channel(config, store, config_hash, epoch, language)
    if saved is not None:
        channel.publish(saved)
    loop = loops.Learner(
        update=updates.Update(
            policy=language.policy,
            value=language.value,
            config=config.learner,
            mesh=mesh,
        ),
        config=config.learner,
        channel=channel,
        mesh=mesh,
        centre_value=musiclm.centred_value,
        publish_every=config.publish_every,
        metrics=telemetry.make_writer(config.run_dir, store, "learner"),
        stop=stop,
        patience=waits.Patience(timeout_seconds=config.batch_timeout_seconds),
        beat=heartbeats.Heartbeat(store, "learner", "0").beat,
        over_optimised=functools.partial(is_over_optimised, config, store),
    )
    try:
        state = loop.run(state, -1 if saved is None else saved.identity.step)
    finally:
        channel.checkpoints.close()
    return {"steps": int(state.step), "skipped": int(state.skipped)}


def restore_or_start(
    config: run_config.RunConfig, language: system.Language, mesh: Mesh
) -> tuple[states.LearnerState, manager.Saved | None]:
    """Returns the state of the newest verified checkpoint, or the first state."""
    value = musiclm.value_params_from(language.params, 0.0)
    fresh = states.initial_state(language.params, value, config.learner, mesh)
    found = checkpoint_reader.CheckpointReader(config.run_dir).restore_newest_verified(
        policy_source.abstract_tree(loops.as_trees(fresh))
    )
    if found is None:
        return fresh, None
    state = loops.from_trees(found.trees, found.identity.step, fresh.reference)
    # Laid out as a fresh state is, or the update would be compiled anew.
    state = states.shard_state(state, mesh)
    return state, manager.Saved(identity=found.identity, policy=found.policy)


def make_channel(
    config: run_config.RunConfig,
    store: stores.Store,
    config_hash: str,
    epoch: int,
    language: system.Language,
) -> channels.Channel:
    """Returns the learner's side of the run directory."""
    log = manifests.ManifestLog(store)
    log.refresh()
    trajectories = reader.TrajectoryReader(store, log, language.policy.layout)
    lineage = publications.lineage(store, epoch)
    checkpoints = checkpoint_reader.CheckpointReader(config.run_dir)
    return channels.Channel(
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
        config_hash=config_hash,
        versions=versions(),
    )


def is_over_optimised(config: run_config.RunConfig, store: stores.Store) -> bool:
    """Returns whether the run should end because the evaluator saw a reward fall."""
    if not config.evaluator.stop_on_over_optimisation:
        return False
    seen = jax.process_index() == 0 and store.get(keys.OVER_OPTIMISATION) is not None
    return batches.as_host_0_says(seen)


def versions() -> dict[str, str]:
    """Returns the versions of the packages that a publication names."""
    found = {"devices": f"{jax.device_count()} {jax.devices()[0].platform}"}
    for name in PACKAGES:
        found[name] = importlib.metadata.version(name)
    return found
