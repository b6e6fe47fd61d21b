"""Simulated raters: opinion scores of clips whose fault is known.

They stand in for people where nobody has rated clips. All that is made with them says
"simulated": what an estimator learns from them is the strength of a few synthetic
faults, not what listeners think.
"""

import dataclasses

import numpy as np

from musicrl_jax.core import errors

LOWEST, HIGHEST = 1, 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulatedRatersConfig:
    """A pool of raters, of whom a few score each clip.

    A rater gives `5 - full_loss * strength + bias + noise`, rounded to a whole number
    from 1 to 5. The bias is the rater's own, the noise that of one score.

    Attributes:
      pool: raters.
      per_clip: raters of each clip; the paper has 3 (section 3.1).
      full_loss: score lost at strength 1.
      bias: standard deviation of the raters' biases.
      noise: standard deviation of the noise.
      seed: of biases, choices and noise.
    """

    pool: int = 12
    per_clip: int = 3
    full_loss: float = 4.0
    bias: float = 0.3
    noise: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.per_clip <= self.pool:
            raise errors.InputError(
                "SimulatedRatersConfig.per_clip must lie between 1 and the pool's "
                f"{self.pool} raters; got {self.per_clip}."
            )
        if min(self.full_loss, self.bias, self.noise, self.seed) < 0:
            raise errors.InputError(
                "SimulatedRatersConfig needs full_loss, bias, noise and seed of 0 or "
                f"more; got {self.full_loss}, {self.bias}, {self.noise}, {self.seed}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """What one simulated rater said of one clip."""

    rater: str
    score: int


def rate(config: SimulatedRatersConfig, clip: int, strength: float) -> list[Score]:
    """Returns the scores of clip number `clip`, whose fault has this strength.

    They depend on the config, the number and the strength alone.
    """
    pool = np.random.default_rng([config.seed, 0])
    biases = config.bias * pool.standard_normal(config.pool)
    random = np.random.default_rng([config.seed, 1, clip])
    raters = random.choice(config.pool, config.per_clip, replace=False)
    noise = config.noise * random.standard_normal(config.per_clip)
    heard = HIGHEST - config.full_loss * strength + biases[raters] + noise
    scores = np.clip(np.rint(heard), LOWEST, HIGHEST).astype(int)
    return [
        Score(rater=f"simulated_{rater:03d}", score=int(score))
        for rater, score in zip(raters, scores, strict=True)
    ]
