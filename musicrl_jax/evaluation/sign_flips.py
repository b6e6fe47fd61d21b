"""How far a score must fall to be beyond chance, over all looks of a run together.

Chance is a run that never falls: each prompt's course over the run, less the mean of
all prompts, keeps its sign or turns it. Such turned runs are looked at as the real one
was, and the limit of a look is what the stated share of them exceeds by then. Looks
that say much the same, and rewards that go together, thus cost little.

Source: Romano and Wolf, *Exact and Approximate Stepdown Methods for Multiple Hypothesis
Testing*, 2005 (maximum statistics); Lan and DeMets, *Discrete Sequential Boundaries for
Clinical Trials*, 1983 (a level that is spent look by look).
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from musicrl_jax.core import errors

RESAMPLES = 10_000
HALF_SPENT = 10
ROUNDING = 1e-12

Reference = Callable[[Float[np.ndarray, "runs earlier"]], Int[np.ndarray, " runs"]]
"""Which of the earlier stretches each run is held against, by their means."""


def start(means: Float[np.ndarray, "runs earlier"]) -> Int[np.ndarray, " runs"]:
    """Holds against the first stretch."""
    return np.zeros(len(means), np.int64)


def best(means: Float[np.ndarray, "runs earlier"]) -> Int[np.ndarray, " runs"]:
    """Holds against the best stretch so far."""
    return means.argmax(axis=1)


def spent(look: int) -> float:
    """Returns the share of the level that the first `look` looks may use.

    Half of it is for the first `HALF_SPENT` looks, and it is never used up.
    """
    return look / (look + HALF_SPENT)


def falls(
    scores: Float[np.ndarray, "stretches prompts"], width: int, reference: Reference
) -> Float[np.ndarray, " looks"]:
    """Returns how far each stretch fell, in standard errors over prompts.

    Args:
      scores: of stretches of `width` measurements, each beginning one later.
      width: of a stretch; the first one that shares no measurement with the first
        stretch is the first look.
      reference: what a stretch is held against.
    """
    means = scores.mean(axis=1)[None]
    return _falls(means, _squares(scores), scores.shape[1], width, reference)[:, 0]


def limits(
    scores: Sequence[Float[np.ndarray, "stretches _"]],
    width: int,
    reference: Reference,
    level: float,
    prompts: Sequence[Bool[np.ndarray, " prompts"]] = (),
) -> Float[np.ndarray, " looks"]:
    """Returns the falls of each look that chance exceeds with probability `level`.

    That is the probability that any look of a run exceeds its limit in any of the
    rewards. A limit depends on what was measured by then, not on what comes later.

    Args:
      scores: of each reward, as in `falls`.
      width: of a stretch.
      reference: what a stretch is held against.
      level: 0 to 1.
      prompts: for each reward, which of all prompts its scores are of; empty where all
        are. A prompt's sign is the same in each reward that has it.

    Raises:
      InputError: where a score is not finite.
    """
    if not all(np.isfinite(one).all() for one in scores):
        raise errors.InputError(
            "Falls are told from chance by finite scores; some are not. Leave out the "
            "prompts that have such scores."
        )
    own = prompts or [np.ones(one.shape[1], bool) for one in scores]
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (RESAMPLES, len(own[0])))
    chance = [
        _chance(one, signs[:, kept], width, reference)
        for one, kept in zip(scores, own, strict=True)
    ]
    largest = np.max(chance, axis=0)
    going, found = np.ones(RESAMPLES, bool), []
    for look, values in enumerate(largest, start=1):
        more = int(RESAMPLES * level * spent(look)) - int(np.sum(~going))
        found.append(float(np.sort(values[going])[-1 - more]))
        going &= values <= found[-1]
    return np.asarray(found)


def _chance(
    scores: Float[np.ndarray, "stretches prompts"],
    signs: Float[np.ndarray, "runs prompts"],
    width: int,
    reference: Reference,
) -> Float[np.ndarray, "looks runs"]:
    """Returns the falls of runs whose prompts have other signs."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    prompts = scores.shape[1]
    means = signs @ centred.T / prompts
    return _falls(means, _squares(centred), prompts, width, reference)


def _falls(
    means: Float[np.ndarray, "runs stretches"],
    squares: Float[np.ndarray, "stretches stretches"],
    prompts: int,
    width: int,
    reference: Reference,
) -> Float[np.ndarray, "looks runs"]:
    """Returns the falls of each look; squares do not change with the signs."""
    found = []
    for now in range(width, means.shape[1]):
        against = reference(means[:, : now - width + 1])
        fall = means[np.arange(len(means)), against] - means[:, now]
        square = squares[against, now]
        variance = square - fall**2
        # All prompts fell alike: no error but rounding.
        exact = variance <= ROUNDING * square
        error = np.sqrt(np.where(exact, 1.0, variance) / (prompts - 1))
        sure = np.where(fall == 0, 0.0, np.copysign(np.inf, fall))
        found.append(np.where(exact, sure, fall / error))
    return np.stack(found) if found else np.zeros((0, len(means)))


def _squares(
    scores: Float[np.ndarray, "stretches prompts"],
) -> Float[np.ndarray, "stretches stretches"]:
    """Returns the mean squared difference of every two stretches."""
    return np.mean((scores[:, None] - scores[None]) ** 2, axis=2)
