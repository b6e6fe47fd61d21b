"""`musicrl evaluator`: measures each publication of a run on fixed held-out prompts."""

import dataclasses
import pathlib

import jax
from jaxtyping import Array, Float, Int

from musicrl_jax.acting import loop
from musicrl_jax.core import arrays, dealing, errors, protocols, rng
from musicrl_jax.evaluation import evaluator as evaluators
from musicrl_jax.evaluation import history, prompts
from musicrl_jax.learning import divergence, learner
from musicrl_jax.rewards import combine
from musicrl_jax.runs import (
    evaluation_records,
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
    """Measures the reference, then publications, the newest first, until the last one.

    Raises:
      InputError: a missing directory, file or right, or over-optimisation should end
        the run and no reward is held out.
      ConfigMismatchError: the run was begun with another config.
      Preempted: asked to stop.
      TemporaryError: nothing was published for too long.
    """
    stop = stopping.StopRequest(watch_parent=True).listen()
    store, _ = run_inputs.open_run(config)
    networks = system.networks_directory(config.networks)
    language = system.load_language(networks, config.policy)
    language = dataclasses.replace(language, params=dealing.everywhere(language.params))
    source = policy_source.PublishedPolicies(store, config.run_dir, language.params)
    bench = make_evaluator(config, networks, language)
    records = make_records(config, store, language, bench)
    beat = heartbeats.Heartbeat(store, "evaluator", "0").beat
    patience = waits.Patience(
        timeout_seconds=config.evaluator.publication_timeout_seconds,
        interval_seconds=config.evaluator.poll_seconds,
        meanwhile=loop.check_stop(stop),
    )

    def measure(step: int, digest: str, params: arrays.Params) -> None:
        measured = bench.measure(params)
        records.add(step, digest, params, measured)
        beat({"step": step} | dict(measured.row))

    if 0 not in records.known:
        measure(0, "", language.params)
    weights: loop.Weights | None = None
    every = config.evaluator.every_steps
    while (weights := _next(store, source, weights, every, patience)) is not None:
        step, digest = weights.publication.step, weights.publication.digest
        done = records.known.get(step)
        if step > 0 and (done is None or done.digest != digest):
            measure(step, digest, weights.params)


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
        before = 0 if current is None else current.publication.step
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
            dealing.beside(params, tokens),
            dealing.beside(params, conditioning),
            self.temperature,
            self.chunk_frames,
        )


def make_evaluator(
    config: run_config.RunConfig, networks: pathlib.Path, language: system.Language
) -> evaluators.Evaluator:
    """Returns the evaluator of a run, with the held-out prompts beside the networks."""
    held_out = prompts.read_prompts(networks / system.HELD_OUT_PROMPTS)
    chosen = held_out[: config.evaluator.prompts]
    sound = system.Sound(networks, language.policy, dealing.everywhere)
    clips = config.evaluator.clips_per_prompt
    keys = rng.clip_keys(
        jax.random.key(config.seed), "evaluate", 0, clips * len(chosen)
    )
    return evaluators.Evaluator(
        actor=system.make_actor(config, language, sound, watch=True),
        divergence=DivergenceFrom(
            policy=language.policy,
            reference=language.params,
            temperature=config.learner.temperature,
            chunk_frames=config.learner.chunk_frames,
        ),
        embed=system.make_adherence(sound).clip_embeddings if clips > 1 else None,
        captions=tuple(prompt.text for prompt in chosen),
        keys=keys.reshape(clips, len(chosen)),
        clips=config.evaluator.clips,
        keep_audio=config.evaluator.keep_audio,
        layout=language.policy.layout,
        sample_rate_hz=sound.sample_rate_hz,
    )


def make_records(
    config: run_config.RunConfig,
    store: stores.Store,
    language: system.Language,
    bench: evaluators.Evaluator,
) -> evaluation_records.EvaluationRecords:
    """Returns what writes the measurements of a run; writes what holds for all.

    Raises:
      InputError: where over-optimisation should end the run and no reward is held out.
    """
    reward = bench.actor.reward
    facts = evaluation_records.make_facts(
        kl_ref=config.reference_name,
        reward_weights=reward.weights
        if isinstance(reward, combine.LinearReward)
        else {},
        captions=bench.captions[: config.evaluator.keep_audio],
        sample_rate_hz=bench.sample_rate_hz,
        smoothing=config.evaluator.smoothing,
    )
    if config.evaluator.stop_on_over_optimisation and not facts.held_out:
        raise errors.InputError(
            "EvaluatorConfig.stop_on_over_optimisation needs a reward that is measured "
            f"and not trained; all of {', '.join(facts.trained)} are trained. Set "
            "RewardConfig.quality_weights with quality 0, or text_adherence to 0."
        )
    history.write_facts(store, facts)
    return evaluation_records.EvaluationRecords(
        store=store,
        metrics=telemetry.make_writer(config.run_dir, store, "evaluator"),
        policy=language.policy,
        facts=facts,
        kl_budget=config.learner.kl_budget_nats,
        keep_policies=config.evaluator.keep_policies,
        known={done.step: done for done in history.read(store)},
    )
