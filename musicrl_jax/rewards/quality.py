"""The quality score: a predicted mean opinion score (paper, section 3.1).

The paper's estimator hears 20 s at a time, so a clip of 30 s is scored on its first and
on its last 20 s, and the two scores are averaged. Of shorter clips the first and the
last two thirds are heard.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.audio import windows
from musicrl_jax.core import arrays
from musicrl_jax.rewards import batches, combine

WINDOW_SECONDS = 20.0
NAME = "quality"
SIMULATED_NAME = "simulated_quality"


@runtime_checkable
class OpinionEstimator(Protocol):
    """Waveforms to mean opinion scores; hashable (it is static in compiled code)."""

    @property
    def sample_rate_hz(self) -> int:
        """Samples in a second of the waveforms."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether the opinions that it learnt were made by a program."""
        ...

    def opinion(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Float[Array, " b"]:
        """Returns scores in [1, 5] of clips of any length that it can hear."""
        ...


class QualityReward:
    """Mean of the predicted opinions of a clip's first and last window, in [1, 5]."""

    def __init__(
        self,
        *,
        estimator: OpinionEstimator,
        params: arrays.Params,
        config: batches.BatchConfig | None = None,
    ) -> None:
        self._estimator = estimator
        self._params = params
        self._config = config or batches.BatchConfig()

    @property
    def name(self) -> str:
        """What its scores are called, which says where the opinions are simulated."""
        return SIMULATED_NAME if self._estimator.simulated else NAME

    def __call__(
        self,
        captions: Sequence[str],
        waveform: Float[np.ndarray, "b n"],
        tokens: Int[np.ndarray, "b f q"] | None = None,
    ) -> Mapping[str, Float[np.ndarray, " b"]]:
        """Returns each clip's score under "total".

        Args:
          captions: one for each clip; not read.
          waveform: clips in [-1, 1] at the estimator's sample rate.
          tokens: not read.

        Raises:
          InputError: where the numbers of captions and clips differ.
        """
        batches.check_captions(captions, waveform)
        del tokens
        one = functools.partial(score, self._estimator)
        heard = np.asarray(waveform, np.float32)
        size = self._config.clips_per_call
        return {"total": batches.scored(one, self._params, size, heard)}


def make_part(reward: QualityReward, weight: float = 1.0) -> combine.Part:
    """Returns the term of a sum of rewards: points 1 to 5 become 0 to 1 (section 4.2).

    The raw score is kept under `quality`, or `simulated_quality` where the estimator
    learnt from simulated raters.
    """
    return combine.Part(
        name=reward.name, reward=reward, weight=weight, offset=-1.0, scale=0.25
    )


def first_last(n: int, sample_rate_hz: int) -> tuple[slice, slice]:
    """Returns the windows of a clip of `n` samples: 20 s, or two thirds of the clip."""
    share = WINDOW_SECONDS * sample_rate_hz / max(n, 1)
    return windows.first_last(n, min(share, windows.FIRST_LAST_SHARE))


@functools.partial(jax.jit, static_argnums=0)
def score(
    estimator: OpinionEstimator, params: arrays.Params, waveform: Float[Array, "b n"]
) -> Float[Array, " b"]:
    """Returns the opinion of both windows of each clip, averaged."""
    parts = first_last(waveform.shape[1], estimator.sample_rate_hz)
    flat = jnp.concatenate([waveform[:, part] for part in parts])
    opinion = estimator.opinion(params, flat).reshape(len(parts), -1)
    return jnp.mean(opinion, axis=0).astype(jnp.float32)
