"""Scores of clips made for prompts: reward, judge, level, repetition, entropy.

Before and after are scored by the same functions on the same prompts and seeds, so
that row i of one is the partner of row i of the other.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.audio import levels
from musicrl_jax.core import errors, layout, protocols
from musicrl_jax.evaluation import prompts as prompts_lib


@runtime_checkable
class Judge(Protocol):
    """Tells attributes of clips, independently of any reward."""

    def __call__(self, waveform: Float[np.ndarray, "b n"]) -> Mapping[str, list[str]]:
        """Returns for each attribute the value that each clip is heard to have."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clips:
    """What was made for the prompts: row i for prompt i.

    Attributes:
      waveform: in [-1, 1].
      tokens: of the policy's layout.
    """

    waveform: Float[np.ndarray, "b n"]
    tokens: Int[np.ndarray, "b f q"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipScores:
    """One vector a score, one entry a prompt.

    Attributes:
      rewards: by name; "total" is what the policy was trained on.
      correct: for each judged attribute 1 where the judge hears what the caption
        names, 0 where it hears something else, NaN where the caption names nothing.
      heard: what the judge heard.
      sound: silence and clipping as shares of frames and samples, level in dBFS, and
        `repetition`, the share of tokens equal to those of the frame before.
      entropy: for each stream the entropy in nats of its tokens' frequencies over all
        clips, averaged over its positions; a policy that collapses loses it.
    """

    rewards: Mapping[str, Float[np.ndarray, " b"]]
    correct: Mapping[str, Float[np.ndarray, " b"]]
    heard: Mapping[str, list[str]]
    sound: Mapping[str, Float[np.ndarray, " b"]]
    entropy: Mapping[str, float]

    @property
    def recovered(self) -> Float[np.ndarray, " b"]:
        """The share of the attributes that a caption names which is heard, or NaN."""
        table = np.stack(list(self.correct.values()))
        named = np.isfinite(table).sum(axis=0)
        heard = np.nansum(table, axis=0)
        return np.where(named > 0, heard / np.maximum(named, 1), np.nan)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scorer:
    """Scores clips.

    Attributes:
      reward: what the policy is trained on.
      judge: what it is not trained on.
      layout: of the tokens.
      sample_rate_hz: of the waveforms.
    """

    reward: protocols.Reward
    judge: Judge
    layout: layout.TokenLayout
    sample_rate_hz: int

    def __call__(
        self, prompts: Sequence[prompts_lib.Prompt], clips: Clips
    ) -> ClipScores:
        """Returns the scores of clips made for prompts.

        Raises:
          InputError: where there are not as many clips as prompts.
        """
        if len(prompts) != len(clips.waveform):
            raise errors.InputError(
                f"Each prompt needs one clip; got {len(prompts)} prompts and "
                f"{len(clips.waveform)} clips. Make one clip a prompt."
            )
        heard = dict(self.judge(clips.waveform))
        rewards = self.reward(
            [prompt.text for prompt in prompts], clips.waveform, clips.tokens
        )
        return ClipScores(
            rewards=rewards,
            correct={
                name: _correct(name, values, prompts) for name, values in heard.items()
            },
            heard=heard,
            sound=self._sound(clips),
            entropy=token_entropy(clips.tokens, self.layout),
        )

    def _sound(self, clips: Clips) -> dict[str, Float[np.ndarray, " b"]]:
        rate = self.sample_rate_hz
        measures = {
            "silence": lambda clip: levels.silence_share(clip, rate),
            "clipping": levels.clipping_share,
            "level_dbfs": levels.rms_dbfs,
        }
        return {
            name: np.array([measure(clip) for clip in clips.waveform])
            for name, measure in measures.items()
        } | {"repetition": repetition(clips.tokens)}


def repetition(tokens: Int[np.ndarray, "b f q"]) -> Float[np.ndarray, " b"]:
    """Returns the share of each clip's tokens that repeat those one frame before."""
    return (tokens[:, 1:] == tokens[:, :-1]).mean(axis=(1, 2))


def token_entropy(
    tokens: Int[np.ndarray, "b f q"], token_layout: layout.TokenLayout
) -> dict[str, float]:
    """Returns each stream's token entropy in nats, averaged over its positions."""
    by_position = [_entropy(tokens[..., q]) for q in range(tokens.shape[-1])]
    return {
        stream.name: float(np.mean(by_position[token_layout.positions(stream.name)]))
        for stream in token_layout.streams
    }


def _entropy(tokens: Int[np.ndarray, "b f"]) -> float:
    counts = np.unique(tokens, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-np.sum(shares * np.log(shares)))


def _correct(
    name: str, heard: Sequence[str], prompts: Sequence[prompts_lib.Prompt]
) -> Float[np.ndarray, " b"]:
    named = [prompt.attributes.get(name) for prompt in prompts]
    return np.array(
        [
            np.nan if value is None else float(value == answer)
            for value, answer in zip(named, heard, strict=True)
        ]
    )
