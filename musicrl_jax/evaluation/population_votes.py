"""What a simulated population thinks of several policies on the same prompts.

Each prompt has one clip of each policy, and a few users who compare every two of them.
Their majority is the prompt's one vote, so that votes are independent and Wilson's
interval holds: users of one prompt hear the same clips and do not add prompts.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Float, Int

from musicrl_jax.core import errors
from musicrl_jax.evaluation import proportions, statistics
from musicrl_jax.synthesis import simulated_users


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolicyTaste:
    """How one policy's clips are liked.

    Attributes:
      name: of the policy.
      prompts: clips, one a prompt.
      taste: mean hidden taste, in units of the users' noise.
      standard_error: of it, over prompts.
      traits: means of the traits over clips.
    """

    name: str
    prompts: int
    taste: float
    standard_error: float
    traits: Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Meeting:
    """How two policies compare; "wins" are those of the first.

    Attributes:
      first: name of a policy.
      second: name of another one.
      wins: prompts whose majority prefers the first.
      ties: prompts without a majority.
      losses: prompts whose majority prefers the second.
      win_rate: wins over wins and losses; None where there are neither.
      low: lower end of its 95 % Wilson interval.
      high: upper end.
      p_value: of the exact sign test that both are as good.
      user_votes: single votes for the first, for none and for the second.
      expected: share of the population that prefers the first, without noise of
        sampling users: mean over prompts.
      expected_standard_error: of it, over prompts.
      taste_difference: mean hidden taste of the first less that of the second.
      taste_low: lower end of its bootstrap interval over prompts.
      taste_high: upper end.
    """

    first: str
    second: str
    wins: int
    ties: int
    losses: int
    win_rate: float | None
    low: float
    high: float
    p_value: float
    user_votes: tuple[int, ...]
    expected: float
    expected_standard_error: float
    taste_difference: float
    taste_low: float
    taste_high: float


def tastes(
    population: simulated_users.Population,
    traits: Mapping[str, Float[np.ndarray, "prompts traits"]],
) -> tuple[PolicyTaste, ...]:
    """Returns how each policy is liked."""
    return tuple(
        _taste(population, name, measured) for name, measured in traits.items()
    )


def check_voters(population: simulated_users.Population, voters: int) -> None:
    """Raises InputError where a population has fewer users than are to vote."""
    users = len(population.weights)
    if not 1 <= voters <= users:
        raise errors.InputError(
            f"Voters of a prompt must be among the {users} users; got {voters}. Set "
            f"PopulationJudgeConfig.voters to {users} or fewer."
        )


def meet(
    population: simulated_users.Population,
    traits: Mapping[str, Float[np.ndarray, "prompts traits"]],
    *,
    voters: int,
    seed: int,
) -> tuple[Meeting, ...]:
    """Lets users compare every policy with those before it.

    Args:
      population: who is asked.
      traits: of each policy's clips; the same prompts in the same order.
      voters: users of each prompt, drawn at random; an odd number leaves ties to users
        who call it one.
      seed: of the draw, which is the same for all meetings, and of the choices.

    Raises:
      InputError: for fewer than two policies or prompts, different numbers of prompts,
        or more voters than users.
    """
    names, users = list(traits), len(population.weights)
    counts = {len(measured) for measured in traits.values()}
    if len(names) < 2 or len(counts) != 1 or min(counts) < 2:
        raise errors.InputError(
            "A population compares two policies or more on the same two prompts or "
            f"more; got {len(names)} policies with {sorted(counts)} prompts."
        )
    check_voters(population, voters)
    draw = np.random.default_rng([seed, 0]).random((min(counts), users))
    drawn = np.argsort(draw, axis=1)[:, :voters]
    random = np.random.default_rng([seed, 1])
    return tuple(
        _meeting(population, (second, first), traits, drawn, random)
        for place, second in enumerate(names)
        for first in names[:place]
    )


def _taste(
    population: simulated_users.Population,
    name: str,
    measured: Float[np.ndarray, "prompts traits"],
) -> PolicyTaste:
    taste = population.taste(measured)
    means = measured.mean(axis=0).tolist()
    return PolicyTaste(
        name=name,
        prompts=len(measured),
        taste=float(taste.mean()),
        standard_error=float(scipy.stats.sem(taste)) if len(taste) > 1 else 0.0,
        traits=dict(zip(population.traits, means, strict=True)),
    )


def _meeting(
    population: simulated_users.Population,
    names: tuple[str, str],
    traits: Mapping[str, Float[np.ndarray, "prompts traits"]],
    drawn: Int[np.ndarray, "prompts voters"],
    random: np.random.Generator,
) -> Meeting:
    first, second = (traits[name] for name in names)
    prompts, voters = drawn.shape
    choices = population.vote(
        np.repeat(first, voters, axis=0),
        np.repeat(second, voters, axis=0),
        drawn.ravel(),
        random,
    ).choices
    majority = np.sign(choices.reshape(prompts, voters).sum(axis=1))
    wins, ties, losses = (int(np.sum(majority == side)) for side in (1, 0, -1))
    won = proportions.share_of(wins, wins + losses)
    share = _share(population, first, second)
    change = statistics.compare_pairs(population.taste(second), population.taste(first))
    return Meeting(
        first=names[0],
        second=names[1],
        wins=wins,
        ties=ties,
        losses=losses,
        win_rate=won.share if won.total else None,
        low=won.low,
        high=won.high,
        p_value=won.p_value,
        user_votes=tuple(int(np.sum(choices == side)) for side in (1, 0, -1)),
        expected=float(share.mean()),
        expected_standard_error=float(scipy.stats.sem(share)),
        taste_difference=change.difference,
        taste_low=change.low,
        taste_high=change.high,
    )


def _share(
    population: simulated_users.Population,
    first: Float[np.ndarray, "prompts traits"],
    second: Float[np.ndarray, "prompts traits"],
) -> Float[np.ndarray, " prompts"]:
    """Returns the share of decided votes that the first clip of each pair expects."""
    felt = population.differences(first, second)
    margin = population.tie_margin
    prefer = scipy.special.expit(felt - margin).mean(axis=1)
    refuse = scipy.special.expit(-felt - margin).mean(axis=1)
    return prefer / (prefer + refuse)
