"""Over-optimisation: a reward that is not trained falls while the trained one rises.

The scores of each measurement are those of the same prompts, so two measurements are
compared prompt by prompt: a paired t statistic. Each look asks twice: is the held-out
reward lower than at the start, the damage that matters and therefore given most of the
level, and is it lower than at its best so far? A reward may climb before it falls, but
the best of several is partly luck. The limits are found by turning the signs of whole
prompts (see `sign_flips`), for all rewards and looks together, so that of runs whose
held-out rewards never fall at most a share `FALSE_ALARMS` is flagged, however many
measurements they have. The trained reward must rise by `RISE_STANDARD_ERRORS`.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

from musicrl_jax.evaluation import sign_flips

FALSE_ALARMS = 0.05
START_SHARE = 0.8
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
      held_out: rewards that it is not trained on, by name; each is judged by the
        prompts that it can be judged by, see `usable_prompts`.
      smoothing: measurements in a row whose mean counts as one.
    """
    usable = usable_prompts(trained, held_out)
    if not usable:
        return None
    watched, rewards = (
        {name: smooth(of[name][:, own], smoothing) for name, own in usable.items()}
        for of in (held_out, dict.fromkeys(usable, trained))
    )
    found = [
        flag
        for name, fell in _fallen(watched, list(usable.values()), smoothing).items()
        if (flag := _first(name, steps, rewards[name], watched[name], fell)) is not None
    ]
    return min(found, key=lambda flag: (flag.seen_at, flag.step), default=None)


def usable_prompts(
    trained: Float[np.ndarray, "steps prompts"],
    held_out: Mapping[str, Float[np.ndarray, "steps prompts"]],
) -> dict[str, Bool[np.ndarray, " prompts"]]:
    """Returns the prompts that each held-out reward can be judged by.

    These are all whose scores are finite at each step, the trained reward's too. A
    reward is left out that has fewer than half of the trained one's prompts, or than
    `LEAST_PROMPTS`: what chance does to few prompts would hide falls of the others.
    """
    known = finite(trained)
    found = {name: known & finite(scores) for name, scores in held_out.items()}
    least = max(LEAST_PROMPTS, known.sum() / 2)
    return {name: prompts for name, prompts in found.items() if prompts.sum() >= least}


def finite(
    scores: Float[np.ndarray, "steps prompts"],
) -> Bool[np.ndarray, " prompts"]:
    """Returns the prompts whose scores are finite at each step."""
    return np.asarray(np.isfinite(scores).all(axis=0))


def smooth(
    scores: Float[np.ndarray, "steps prompts"], width: int
) -> Float[np.ndarray, "stretches prompts"]:
    """Returns the mean of each `width` rows that follow one another."""
    if len(scores) < width:
        return np.zeros((0, scores.shape[1]))
    windows = np.lib.stride_tricks.sliding_window_view(scores, width, axis=0)
    return windows.mean(axis=-1, dtype=np.float64)


def _fallen(
    watched: Mapping[str, Float[np.ndarray, "stretches _"]],
    prompts: Sequence[Bool[np.ndarray, " prompts"]],
    width: int,
) -> dict[str, Bool[np.ndarray, " looks"]]:
    """Returns the looks at which each reward has fallen beyond chance."""
    levels = (
        (sign_flips.start, FALSE_ALARMS * START_SHARE),
        (sign_flips.best, FALSE_ALARMS * (1 - START_SHARE)),
    )
    scores = list(watched.values())
    limits = [
        (reference, sign_flips.limits(scores, width, reference, level, prompts))
        for reference, level in levels
    ]
    return {
        name: np.any(
            [sign_flips.falls(one, width, held) > limit for held, limit in limits],
            axis=0,
        )
        for name, one in watched.items()
    }


def _first(
    name: str,
    steps: Sequence[int],
    rewards: Float[np.ndarray, "stretches prompts"],
    watched: Float[np.ndarray, "stretches prompts"],
    fell: Bool[np.ndarray, " looks"],
) -> Flag | None:
    """Returns the first stretch that fell while the trained reward rose, if any."""
    means = watched.mean(axis=1)
    width = len(watched) - len(fell)
    for look in np.flatnonzero(fell):
        now = int(look) + width
        best = int(np.argmax(means[: look + 1]))  # they share no measurement with now
        fall, fall_errors = _change(watched[best], watched[now])
        rise, rise_errors = _change(rewards[best], rewards[now])
        if rise_errors > RISE_STANDARD_ERRORS:
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
