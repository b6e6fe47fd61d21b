"""What happens to one batch of prompts: sample, render, score."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from musicrl_jax.core import arrays, protocols, trajectory

Condition = Callable[[Sequence[str]], Int[np.ndarray, "b k"]]
Sample = Callable[
    [arrays.Params, Int[np.ndarray, "b k"], Key[Array, " b"]], trajectory.Generation
]
Render = Callable[[Int[Array, "b f q"]], Float[Array, "b n"]]


@runtime_checkable
class Timed(Protocol):
    """A renderer or a reward that says how long its parts took."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds of each part in the last call."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scored:
    """A batch of clips with their rewards, on the host.

    Attributes:
      tokens: sampled ids.
      log_probs: of each token under pi_T, from the sampler.
      conditioning: MuLan tokens of the captions.
      waveform: the clips as audio in [-1, 1].
      scores: each reward's raw scores by name; "total" trains the policy.
      seconds: time spent, by part: sample, render, score, and what these two are made
        of where they say so: fine, decode, reward/<name>.
    """

    tokens: Int[np.ndarray, "b f q"]
    log_probs: Float[np.ndarray, "b f q"]
    conditioning: Int[np.ndarray, "b k"]
    waveform: Float[np.ndarray, "b n"]
    scores: Mapping[str, Float[np.ndarray, " b"]]
    seconds: Mapping[str, float]

    def usable(self) -> Bool[np.ndarray, " b"]:
        """Returns for each clip whether all its numbers are finite."""
        finite = np.asarray(np.isfinite(self.log_probs).all(axis=(1, 2)))
        for score in self.scores.values():
            finite &= np.isfinite(score)
        return finite


@dataclasses.dataclass(frozen=True, kw_only=True)
class Actor:
    """Turns captions into scored clips.

    Attributes:
      condition: captions to MuLan tokens.
      sample: the compiled sampling loop at the policy's temperature.
      render: tokens to waveform.
      reward: scores clips.
      clock: seconds, for the share of time of each part.
    """

    condition: Condition
    sample: Sample
    render: Render
    reward: protocols.Reward
    clock: Callable[[], float] = time.monotonic

    def act(
        self, params: arrays.Params, captions: Sequence[str], keys: Key[Array, " b"]
    ) -> Scored:
        """Samples one clip for each caption with the key of the same number."""
        start = self.clock()
        conditioning = self.condition(captions)
        clips = jax.block_until_ready(self.sample(params, conditioning, keys))
        sampled = self.clock()
        waveform = np.asarray(self.render(clips.tokens))
        rendered = self.clock()
        tokens = np.asarray(clips.tokens)
        scores = self.reward(captions, waveform, tokens)
        return Scored(
            tokens=tokens,
            log_probs=np.asarray(clips.log_probs),
            conditioning=conditioning,
            waveform=waveform,
            scores=scores,
            seconds={
                "sample": sampled - start,
                "render": rendered - sampled,
                "score": self.clock() - rendered,
                **_parts(self.render),
                **_parts(self.reward),
            },
        )


def _parts(step: Render | protocols.Reward) -> Mapping[str, float]:
    return step.seconds if isinstance(step, Timed) else {}
