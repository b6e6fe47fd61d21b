"""The user-preference score: a reward model's score of tokens (paper, section 3.3).

The paper's model learnt from clips of 20 s, so a clip of 30 s is scored on its first
and on its last 20 s, and the two scores are averaged. A model that learnt from other
lengths has windows of these; clips that are no longer are scored as a whole, as the
model was judged.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.audio import windows
from musicrl_jax.core import arrays
from musicrl_jax.rewards import batches

NAME = "user_preference"
SIMULATED_NAME = "simulated_user_preference"

Condition = Callable[[Sequence[str]], Int[np.ndarray, "b k"]]
"""Captions to MuLan tokens."""


@runtime_checkable
class PreferenceModel(Protocol):
    """Tokens and MuLan tokens to scores; hashable (it is static in compiled code)."""

    @property
    def frame_rate_hz(self) -> float:
        """Frames in a second of the clips."""
        ...

    @property
    def clip_seconds(self) -> float:
        """Length of the clips that it learnt from."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether the choices that it learnt were made by a program."""
        ...

    def score(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
    ) -> Float[Array, " b"]:
        """Returns scores whose differences are log-odds of being preferred."""
        ...


class PreferenceReward:
    """Mean of the scores of a clip's windows; any real number."""

    def __init__(
        self,
        *,
        model: PreferenceModel,
        params: arrays.Params,
        condition: Condition,
        config: batches.BatchConfig | None = None,
    ) -> None:
        self._model = model
        self._params = params
        self._condition = condition
        self._config = config or batches.BatchConfig()

    @property
    def name(self) -> str:
        """What its scores are called, which says where the users are simulated."""
        return SIMULATED_NAME if self._model.simulated else NAME

    def __call__(
        self,
        captions: Sequence[str],
        waveform: Float[np.ndarray, "b n"] | None,
        tokens: Int[np.ndarray, "b f q"],
    ) -> Mapping[str, Float[np.ndarray, " b"]]:
        """Returns each clip's score under "total".

        Args:
          captions: one for each clip.
          waveform: not read.
          tokens: clips of the model's layout.

        Raises:
          InputError: where the numbers of captions and clips differ.
        """
        batches.check_captions(captions, tokens)
        del waveform
        if not len(captions):
            return {"total": np.zeros(0, np.float32)}
        one = functools.partial(_score, self._model)
        size = self._config.clips_per_call
        read = np.asarray(tokens, np.int32), self._condition(captions)
        return {"total": batches.scored(one, self._params, size, *read)}


def heard(frames: int, frame_rate_hz: float, seconds: float) -> tuple[slice, ...]:
    """Returns the first and the last `seconds` of a clip, or all of it if shorter."""
    size = max(1, round(seconds * frame_rate_hz))
    if frames <= size:
        return (slice(0, frames),)
    return windows.first_last(frames, size / frames)


@functools.partial(jax.jit, static_argnums=0)
def _score(
    model: PreferenceModel,
    params: arrays.Params,
    tokens: Int[Array, "b f q"],
    conditioning: Int[Array, "b k"],
) -> Float[Array, " b"]:
    """Returns the scores of the windows of each clip, averaged."""
    parts = heard(tokens.shape[1], model.frame_rate_hz, model.clip_seconds)
    flat = jnp.concatenate([tokens[:, part] for part in parts])
    repeated = jnp.concatenate([conditioning] * len(parts))
    scores = model.score(params, flat, repeated).reshape(len(parts), -1)
    return jnp.mean(scores, axis=0).astype(jnp.float32)
