"""The demo's test bench: makes clips for fixed prompts and seeds, and scores them."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.acting import actor as actors
from musicrl_jax.core import arrays, rng
from musicrl_jax.evaluation import prompts as prompts_lib
from musicrl_jax.evaluation import scores
from musicrl_jax.models.attributes import adapter as attributes
from musicrl_jax.runs import evaluator, pretrain_attributes, run_config, system

ATTRIBUTES = "attributes.safetensors"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judge:
    """The attribute classifier with its parameters (`evaluation.scores.Judge`)."""

    classifier: attributes.AttributeJudge
    params: arrays.Params
    clips_per_call: int = 16

    def __call__(self, waveform: Float[np.ndarray, "b n"]) -> Mapping[str, list[str]]:
        """Returns the likeliest value of each attribute."""
        heard: dict[str, list[str]] = {}
        for start in range(0, len(waveform), self.clips_per_call):
            part = waveform[start : start + self.clips_per_call]
            missing = self.clips_per_call - len(part)
            padded = np.pad(part, ((0, missing), (0, 0)))
            for name, labels in self.classifier.judge(self.params, padded).items():
                heard.setdefault(name, []).extend(labels[: len(part)])
        return heard


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
    """Clips of one policy and how far it is from the starting one.

    Attributes:
      kl: exact KL of each clip in nats.
    """

    clips: scores.Clips
    kl: Float[np.ndarray, " b"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """Fixed prompts and keys.

    Attributes:
      actor: conditions, samples and renders, as the actors of the run do.
      divergence: exact KL to the starting policy.
      scorer: of the clips.
      prompts: what clips are made for.
      keys: one a prompt.
      clips: clips made at a time.
      listen: tokens to waveform for people, with fine levels where there are any.
    """

    actor: actors.Actor
    divergence: evaluator.DivergenceFrom
    scorer: scores.Scorer
    prompts: tuple[prompts_lib.Prompt, ...]
    keys: Key[Array, " b"]
    clips: int
    listen: actors.Render

    def make(self, params: arrays.Params) -> Made:
        """Makes one clip for each prompt with its key."""
        conditioning = self._conditioning()
        parts = [
            self._make_part(params, conditioning, np.arange(start, start + self.clips))
            for start in range(0, len(self.prompts), self.clips)
        ]
        waveform, tokens, kl = (
            np.concatenate(arrays_)[: len(self.prompts)]
            for arrays_ in zip(*parts, strict=True)
        )
        return Made(clips=scores.Clips(waveform=waveform, tokens=tokens), kl=kl)

    def score(self, made: Made) -> scores.ClipScores:
        """Returns the scores of clips that `make` made."""
        return self.scorer(self.prompts, made.clips)

    def _conditioning(self) -> Int[np.ndarray, "b k"]:
        captions = [prompt.text for prompt in self.prompts]
        return np.asarray(self.actor.condition(captions))

    def _make_part(
        self,
        params: arrays.Params,
        conditioning: Int[np.ndarray, "b k"],
        rows: Int[np.ndarray, " part"],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # The last part is filled up with rows from the start: one compiled shape.
        rows = rows % len(conditioning)
        sampled = self.actor.sample(params, conditioning[rows], self.keys[rows])
        kl, _ = self.divergence(
            params, sampled.tokens, jax.numpy.asarray(conditioning[rows])
        )
        waveform = self.actor.render(sampled.tokens)
        return np.asarray(waveform), np.asarray(sampled.tokens), np.asarray(kl)


def load(
    config: run_config.RunConfig,
    prompts: Sequence[prompts_lib.Prompt],
    language: system.Language,
    clips: int,
) -> Bench:
    """Reads codec, MuLan and judge beside the policy; returns the bench of a run.

    Raises:
      InputError: where a network is missing or damaged.
    """
    networks = system.networks_directory(config.networks)
    sound = system.Sound(networks, language.policy)
    actor = system.make_actor(config, language, sound)
    classifier, params = pretrain_attributes.load(pathlib.Path(networks) / ATTRIBUTES)
    return Bench(
        actor=actor,
        divergence=evaluator.DivergenceFrom(
            policy=language.policy,
            reference=language.params,
            temperature=config.learner.temperature,
            chunk_frames=config.learner.chunk_frames,
        ),
        scorer=scores.Scorer(
            reward=actor.reward,
            judge=Judge(classifier=classifier, params=params),
            layout=language.policy.layout,
            sample_rate_hz=sound.sample_rate_hz,
        ),
        prompts=tuple(prompts),
        keys=rng.clip_keys(jax.random.key(config.seed), "demo", 0, len(prompts)),
        clips=clips,
        listen=sound.render,
    )
