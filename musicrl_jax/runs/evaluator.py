"""`musicrl evaluator`: measures each publication of a run on fixed held-out prompts."""

import dataclasses
import pathlib

import jax
from jaxtyping import Array, Float, Int

from musicrl_jax.acting import loop
from musicrl_jax.core import arrays, protocols, rng
from musicrl_jax.evaluation import evaluator as evaluators
from musicrl_jax.evaluation import prompts
from musicrl_jax.learning import divergence, learner
from musicrl_jax.runs import (
    policy_source,
    run_config,
    run_inputs,
    stopping,
    system,
    telemetry,
)
from musicrl_jax.transport import heartbeats, waits
from musicrl_jax.transport import store as stores


def run(config: run_config.RunConfig) -> None:
    """Measures publications, the newest first, until the run's last one is measured.

    Raises:
      InputError: a missing directory, file or right.
      ConfigMismatchError: the run was begun with another config.
      Preempted: asked to stop.
      TemporaryError: nothing was published for too long.
    """
    stop = stopping.StopRequest(watch_parent=True).listen()
    store, _ = run_inputs.open_run(config)
    networks = system.networks_directory(config.networks)
    language = system.load_language(networks)
    source = policy_source.PublishedPolicies(store, config.run_dir, language.params)
    measure = make_evaluator(config, networks, language)
    metrics = telemetry.make_writer(config.run_dir, store, "evaluator")
    beat = heartbeats.Heartbeat(store, "evaluator", "0").beat
    patience = waits.Patience(
        timeout_seconds=config.evaluator.publication_timeout_seconds,
        interval_seconds=config.evaluator.poll_seconds,
        meanwhile=loop.check_stop(stop),
    )
    weights: loop.Weights | None = None
    every = config.evaluator.every_steps
    while (weights := _next(store, source, weights, every, patience)) is not None:
        row = measure.measure(weights.params)
        metrics.write(weights.publication.step, row)
        beat({"step": weights.publication.step} | row)


def _next(
    store: stores.Store,
    source: policy_source.PublishedPolicies,
    current: loop.Weights | None,
    every_steps: int,
    patience: waits.Patience,
) -> loop.Weights | None:
    """Waits for the next weights to measure; None where the run is over and done."""

    def look() -> loop.Weights | bool | None:
        over = store.get(learner.DONE_KEY) is not None
        before = -every_steps if current is None else current.publication.step
        if not over and source.newest_step() - before < every_steps:
            return None
        return source.newer_than(current) or (over or None)

    found = waits.wait_for(look, "the learner's next publication", patience)
    return found if isinstance(found, loop.Weights) else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DivergenceFrom:
    """Exact KL to a reference, and entropy, of clips of a policy."""

    policy: protocols.Policy
    reference: arrays.Params
    temperature: float
    chunk_frames: int

    def __call__(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
    ) -> tuple[Float[Array, " b"], Float[Array, " q"]]:
        """Returns nats per clip, and nats per token at each position of a frame."""
        return divergence.evaluate_kl(
            self.policy,
            params,
            self.reference,
            tokens,
            conditioning,
            self.temperature,
            self.chunk_frames,
        )


def make_evaluator(
    config: run_config.RunConfig, networks: pathlib.Path, language: system.Language
) -> evaluators.Evaluator:
    """Returns the evaluator of a run, with the held-out prompts beside the networks."""
    held_out = prompts.read_prompts(networks / system.HELD_OUT_PROMPTS)
    chosen = held_out[: config.evaluator.prompts]
    sound = system.Sound(networks, language.policy)
    return evaluators.Evaluator(
        actor=system.make_actor(config, language, sound, watch=True),
        divergence=DivergenceFrom(
            policy=language.policy,
            reference=language.params,
            temperature=config.learner.temperature,
            chunk_frames=config.learner.chunk_frames,
        ),
        captions=tuple(prompt.text for prompt in chosen),
        keys=rng.clip_keys(jax.random.key(config.seed), "evaluate", 0, len(chosen)),
        clips=config.evaluator.clips,
        layout=language.policy.layout,
        sample_rate_hz=sound.sample_rate_hz,
    )
