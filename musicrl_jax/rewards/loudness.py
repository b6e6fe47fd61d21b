"""A reward that is easy to hack: the louder a clip, the better.

Nobody wants it. A run that is trained on it shows what over-optimisation looks like,
and whether it is noticed.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.audio import levels
from musicrl_jax.rewards import combine

NAME = "loudness"
QUIET_DBFS = -60.0


class LoudnessReward:
    """The level of a clip: 0 at -60 dBFS and below, 1 at 0 dBFS, straight between."""

    def __call__(
        self,
        captions: Sequence[str],
        waveform: Float[np.ndarray, "b n"],
        tokens: Int[np.ndarray, "b f q"] | None = None,
    ) -> Mapping[str, Float[np.ndarray, " b"]]:
        """Returns each clip's score in [0, 1] under "total"."""
        del captions, tokens
        dbfs = np.array([levels.rms_dbfs(clip) for clip in waveform], np.float32)
        return {"total": np.clip(1 - dbfs / np.float32(QUIET_DBFS), 0, 1)}


def make_part(weight: float = 1.0) -> combine.Part:
    """Returns the term of a sum of rewards."""
    return combine.Part(name=NAME, reward=LoudnessReward(), weight=weight)
