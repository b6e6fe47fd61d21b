"""`musicrl actor`: samples and scores clips with the newest policy of a run."""

import functools

from musicrl_jax.acting import loop
from musicrl_jax.core import dealing
from musicrl_jax.data import captions
from musicrl_jax.learning import learner
from musicrl_jax.runs import (
    policy_source,
    run_config,
    run_inputs,
    stopping,
    system,
    telemetry,
    unknown_words,
)
from musicrl_jax.transport import heartbeats, keys, manifests, preflight, waits, writer


def run(config: run_config.RunConfig) -> None:
    """Acts until the learner is done.

    Raises:
      InputError: a missing directory, file or right.
      ConfigMismatchError: the run was begun with another config.
      Preempted: asked to stop.
      TemporaryError: the learner did nothing for too long.
    """
    stop = stopping.StopRequest(watch_parent=True).listen()
    store, config_hash = run_inputs.open_run(config)
    preflight.check_access(store, writes=[keys.TRAJECTORIES])
    networks = system.networks_directory(config.networks)
    language = system.acting(system.load_language(networks, config.policy))
    name = f"a{config.actor_id}"
    log = manifests.ManifestLog(store)
    if config.actor_id == 0:  # all actors have the same captions
        unknown_words.warn_of_run(config)
    loop.ActingLoop(
        name=name,
        actor=system.make_actor(
            config,
            language,
            system.Sound(networks, language.policy, dealing.everywhere),
        ),
        config=config.actor,
        temperature=config.learner.temperature,
        config_hash=config_hash,
        weights=policy_source.PublishedPolicies(store, config.run_dir, language.params),
        writer=writer.TrajectoryWriter(store, log, name, language.policy.layout),
        prompts=functools.partial(
            take_prompts, config, captions.CaptionFile(system.captions_file(config))
        ),
        key=loop.actor_key(config.seed),
        metrics=telemetry.make_writer(
            config.run_dir, store, f"actor-{config.actor_id}"
        ),
        finished=lambda: store.get(learner.DONE_KEY) is not None,
        heartbeat=heartbeats.Heartbeat(store, "actor", str(config.actor_id)).beat,
        patience=waits.Patience(
            timeout_seconds=config.actor.idle_timeout_seconds,
            interval_seconds=config.actor.poll_seconds,
            meanwhile=loop.check_stop(stop),
        ),
    ).run()


def take_prompts(
    config: run_config.RunConfig, file: captions.CaptionFile, seq: int
) -> loop.Prompts:
    """Returns the captions of an actor's trajectory number `seq`: a pure look-up."""
    repeats = config.actor.samples_per_prompt
    numbers = captions.prompt_indices(
        seed=config.seed,
        actor=config.actor_id,
        seq=seq,
        count=config.actor.clips // repeats,
        size=len(file),
    )
    repeated = tuple(int(number) for number in numbers for _ in range(repeats))
    return loop.Prompts(
        captions=tuple(file[number] for number in repeated), numbers=repeated
    )
