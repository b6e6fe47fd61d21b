"""Measures how well a policy's clips follow their captions, through the whole chain.

Captions go through MuLan, the policy and the codec; MuLan scores the sound, and the
attribute judge, which no reward uses, says what it hears.

Required: nothing. Commonly overridden (also --networks, --prompts, --seconds, --seed).
"""

import dataclasses
import math
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from musicrl_jax.core import errors, rng
from musicrl_jax.evaluation import adherence, scores
from musicrl_jax.evaluation import prompts as prompts_lib
from musicrl_jax.rewards import text_adherence
from musicrl_jax.runs import demo_bench, pretrain_attributes, system

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdherenceConfig:
    """One measurement.

    Attributes:
      networks: folder of networks and held-out prompts; empty for the starter.
      prompts: held-out captions, one clip each.
      seconds: length of a clip.
      temperature: of sampling.
      seed: of sampling.
      clips_per_call: clips made at a time.
    """

    networks: str = ""
    prompts: int = 200
    seconds: float = 30.0
    temperature: float = 0.99
    seed: int = 0
    clips_per_call: int = 8

    def __post_init__(self) -> None:
        for name in ("prompts", "seconds", "temperature", "clips_per_call"):
            if not 0 < getattr(self, name) < math.inf:
                raise errors.InputError(
                    f"AdherenceConfig.{name} must be positive and finite; got "
                    f"{getattr(self, name)}. Set it so."
                )


def run(config: AdherenceConfig, progress: Progress | None = None) -> dict[str, Any]:
    """Makes a clip for each prompt; returns what `evaluation.adherence` finds.

    Besides, `judge/<attribute>`: the share of clips in which the judge hears what the
    caption names, and `sound/<measure>`, means over clips.

    Raises:
      InputError: where networks or prompts are missing, or prompts too few.
    """
    folder = system.networks_directory(config.networks)
    prompts = _prompts(config, folder)
    language = system.load_language(folder)
    sound = system.Sound(folder, language.policy)
    reward = text_adherence.TextAdherenceReward(
        embedder=sound.embedder,
        params=sound.embedder_params,
        tokenizer=sound.tokenizer,
    )
    clips = _make(config, language, sound, prompts, progress)
    texts = [prompt.text for prompt in prompts]
    found = adherence.own_against_shuffled(
        reward.text_embeddings(texts), reward.clip_embeddings(clips.waveform)
    )
    classifier, params = pretrain_attributes.load(folder / demo_bench.ATTRIBUTES)
    scored = scores.Scorer(
        reward=reward,
        judge=demo_bench.Judge(classifier=classifier, params=params),
        layout=language.policy.layout,
        sample_rate_hz=sound.sample_rate_hz,
    )(prompts, clips)
    heard = {
        f"judge/{name}": float(np.nanmean(values))
        for name, values in scored.correct.items()
        if np.isfinite(values).any()
    }
    measured = {f"sound/{name}": float(x.mean()) for name, x in scored.sound.items()}
    return dataclasses.asdict(found) | heard | measured


def _prompts(
    config: AdherenceConfig, folder: pathlib.Path
) -> tuple[prompts_lib.Prompt, ...]:
    path = folder / system.HELD_OUT_PROMPTS
    found = prompts_lib.read_prompts(path)
    if len(found) < config.prompts:
        raise errors.InputError(
            f"AdherenceConfig.prompts asks for {config.prompts}; {path} has "
            f"{len(found)}. Ask for fewer."
        )
    return tuple(found[: config.prompts])


def _make(
    config: AdherenceConfig,
    language: system.Language,
    sound: system.Sound,
    prompts: tuple[prompts_lib.Prompt, ...],
    progress: Progress | None,
) -> scores.Clips:
    """Returns one clip for each prompt; the last call's surplus is thrown away."""
    sample = system.Sampler(
        policy=language.policy,
        num_frames=language.policy.layout.num_frames(config.seconds),
        temperature=config.temperature,
    )
    count, size = len(prompts), config.clips_per_call
    conditioning = sound.condition([prompt.text for prompt in prompts])
    keys = rng.clip_keys(jax.random.key(config.seed), "adherence", 0, count)
    waveform, tokens = [], []
    for start in range(0, count, size):
        rows = np.arange(start, start + size) % count
        made = sample(language.params, conditioning[rows], keys[rows])
        tokens.append(np.asarray(made.tokens))
        waveform.append(np.asarray(sound.render_coarse(made.tokens)))
        if progress is not None:
            progress(min(start + size, count), count)
    return scores.Clips(
        waveform=np.concatenate(waveform)[:count], tokens=np.concatenate(tokens)[:count]
    )
