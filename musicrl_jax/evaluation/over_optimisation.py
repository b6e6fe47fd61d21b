"""Over-optimisation: a reward that is not trained falls while the trained one rises.

The scores of each measurement are those of the same prompts, so two measurements are
compared prompt by prompt. A fall is held against the best measurement before it, and
the best of several is partly luck; the level of the test is divided so that of runs
whose held-out reward never falls at most a share `FALSE_ALARMS` is flagged, however
many measurements they have.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.stats
from jaxtyping import Float

FALSE_ALARMS = 0.05
RISE_STANDARD_ERRORS = 2.0
LEAST_PROMPTS = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flag:
    """What was seen of over-optimisation.

    Attributes:
      name: the held-out reward.
      step: the last one of its best stretch; it falls from there on.
      seen_at: the step at which the fall is beyond chance.
      fall: of the held-out reward between the two, per prompt; below 0.
      fall_standard_errors: the same in standard errors over prompts.
      rise: of the trained reward between the two.
      rise_standard_errors: the same in standard errors.
    """

    name: str
    step: int
    seen_at: int
    fall: float
    fall_standard_errors: float
    rise: float
    rise_standard_errors: float

    @property
    def words(self) -> str:
        """What happened, in one sentence."""
        return (
            f"{self.name} fell by {-self.fall:.3g} ({-self.fall_standard_errors:.1f} "
            f"standard errors) from step {self.step} to {self.seen_at}, while the "
            f"trained reward rose by {self.rise:.3g} ({self.rise_standard_errors:.1f})"
        )


def find(
    steps: Sequence[int],
    trained: Float[np.ndarray, "steps prompts"],
    held_out: Mapping[str, Float[np.ndarray, "steps prompts"]],
    *,
    smoothing: int = 2,
) -> Flag | None:
    """Returns the first over-optimisation of any held-out reward, None for none.

    Args:
      steps: of the measurements, rising.
      trained: the reward that the policy is trained on, one row a measurement.
      held_out: rewards that it is not trained on, by name.
      smoothing: measurements in a row whose mean counts as one.
    """
    # The false alarms are shared among the rewards that are looked at.
    level = FALSE_ALARMS / max(len(held_out), 1)
    found = [
        flag
        for name, scores in held_out.items()
        if (flag := _first(name, steps, trained, scores, smoothing, level)) is not None
    ]
    return min(found, key=lambda flag: (flag.seen_at, flag.step), default=None)


def threshold(earlier: int, prompts: int, level: float = FALSE_ALARMS) -> float:
    """Returns the standard errors that a fall needs to be beyond chance.

    The level of look number m, at which m earlier stretches compete for the best, is
    `level / (m (m + 1))`, which adds up to `level` over all m, and a further m-th of it
    for each of the m that may be the best (Bonferroni). Student's t turns it into
    standard errors.
    """
    share = level / (earlier * (earlier + 1)) / earlier
    return float(scipy.stats.t.isf(share, df=max(prompts - 1, 1)))


def smooth(
    scores: Float[np.ndarray, "steps prompts"], width: int
) -> Float[np.ndarray, "stretches prompts"]:
    """Returns the mean of each `width` rows that follow one another."""
    if len(scores) < width:
        return np.zeros((0, scores.shape[1]))
    windows = np.lib.stride_tricks.sliding_window_view(scores, width, axis=0)
    return windows.mean(axis=-1, dtype=np.float64)


def _first(
    name: str,
    steps: Sequence[int],
    trained: Float[np.ndarray, "steps prompts"],
    held_out: Float[np.ndarray, "steps prompts"],
    width: int,
    level: float,
) -> Flag | None:
    """Returns the first stretch that fell, held against the best before it."""
    rewards, watched = smooth(trained, width), smooth(held_out, width)
    prompts = held_out.shape[1]
    if prompts < LEAST_PROMPTS:
        return None
    means = watched.mean(axis=1)
    for now in range(width, len(watched)):
        earlier = now - width + 1  # stretches that share no row with this one
        best = int(np.argmax(means[:earlier]))
        fall, fall_errors = _change(watched[best], watched[now])
        rise, rise_errors = _change(rewards[best], rewards[now])
        fell = fall_errors < -threshold(earlier, prompts, level)
        if fell and rise_errors > RISE_STANDARD_ERRORS:
            return Flag(
                name=name,
                step=steps[best + width - 1],
                seen_at=steps[now + width - 1],
                fall=fall,
                fall_standard_errors=fall_errors,
                rise=rise,
                rise_standard_errors=rise_errors,
            )
    return None


def _change(
    before: Float[np.ndarray, " prompts"], after: Float[np.ndarray, " prompts"]
) -> tuple[float, float]:
    """Returns the mean change of the prompts, and the same in standard errors."""
    change = after - before
    mean = float(change.mean())
    error = float(scipy.stats.sem(change))
    if mean == 0:
        return 0.0, 0.0
    return mean, mean / error if error > 0 else float(np.copysign(np.inf, mean))
