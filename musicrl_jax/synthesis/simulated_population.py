"""Makes a simulated population whose choices can be foretold just so well.

See `simulated_users`; all that is made with them is labelled as simulated.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.core import errors
from musicrl_jax.synthesis import simulated_users

CHANCE = 0.5
_COLDEST, _HOTTEST = 1e-3, 1e3
_PRECISION = 1e-5  # of the temperature, relative


@dataclasses.dataclass(frozen=True, kw_only=True)
class PopulationConfig:
    """Who the users are, before they have heard a clip.

    Attributes:
      traits: of clips, that users have opinions on.
      taste: the population's mean weight of each trait.
      users: in the population.
      groups: of taste; user u is of group `u % groups`.
      group_spread: standard deviation of the groups' weights around the mean taste.
      user_spread: of the users' weights around those of their group.
      tie_margin: of felt differences that are called a tie; 0 for no ties.
      ceiling: the accuracy of the best possible predictor who does not know the user,
        which the temperature is set for.
      seed: of the users' tastes.
    """

    traits: tuple[str, ...] = (
        "rhythm",
        "tonality",
        "variation",
        "dynamics",
        "text_adherence",
        "quality",
    )
    taste: tuple[float, ...] = (1.0, 1.0, 0.7, 0.5, 0.5, 0.5)
    users: int = 200
    groups: int = 4
    group_spread: float = 0.3
    user_spread: float = 0.3
    tie_margin: float = 0.0
    ceiling: float = 0.75
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.taste) != len(self.traits) or not any(self.taste):
            raise errors.InputError(
                "PopulationConfig.taste needs a weight for each of "
                f"{', '.join(self.traits)}, and one that is not 0; got {self.taste}."
            )
        if not 1 <= self.groups <= self.users:
            raise errors.InputError(
                "PopulationConfig needs users, and between 1 and as many groups; got "
                f"{self.users} and {self.groups}. Change them."
            )
        if min(self.group_spread, self.user_spread, self.tie_margin, self.seed) < 0:
            raise errors.InputError(
                "PopulationConfig needs group_spread, user_spread, tie_margin and seed "
                f"of 0 or more; got {self.group_spread}, {self.user_spread}, "
                f"{self.tie_margin}, {self.seed}."
            )
        if not CHANCE < self.ceiling < 1:
            raise errors.InputError(
                "PopulationConfig.ceiling must lie between 0.5 and 1; got "
                f"{self.ceiling}. Set 0.75, for example."
            )


def settle(
    config: PopulationConfig,
    first: Float[np.ndarray, "pairs traits"],
    second: Float[np.ndarray, "pairs traits"],
) -> simulated_users.Population:
    """Returns the population whose ceiling on these pairs is the config's.

    Traits are standardised over the clips of the pairs; the temperature is found by
    bisection of its logarithm.

    Raises:
      InputError: where the users disagree so much that no noise is low enough.
    """
    clips = np.concatenate([first, second]).astype(np.float64)
    spread = clips.std(axis=0)
    weights, groups = _users(config)
    population = simulated_users.Population(
        traits=config.traits,
        weights=weights,
        groups=groups,
        mean=clips.mean(axis=0),
        deviation=np.where(spread > 1e-9, spread, 1.0),
        temperature=1.0,
        tie_margin=config.tie_margin,
    )
    differences = population.differences(first, second)

    def excess(log_temperature: float) -> float:
        scaled = differences / np.exp(log_temperature)
        found = simulated_users.best_accuracies(scaled, config.tie_margin)
        return found.population - config.ceiling

    cold, hot = np.log(_COLDEST), np.log(_HOTTEST)
    if (missing := excess(cold)) < 0:
        raise errors.InputError(
            f"PopulationConfig.ceiling of {config.ceiling:.0%} is out of reach: the "
            f"users disagree so much that {config.ceiling + missing:.1%} is the most, "
            "even without noise. Set it lower, or group_spread and user_spread."
        )
    while hot - cold > _PRECISION:
        middle = (cold + hot) / 2
        cold, hot = (middle, hot) if excess(middle) > 0 else (cold, middle)
    return dataclasses.replace(population, temperature=float(np.exp(cold)))


def _users(
    config: PopulationConfig,
) -> tuple[Float[np.ndarray, "users traits"], Int[np.ndarray, " users"]]:
    """Returns weights and group of each user; spreads are centred on the mean taste."""
    random = np.random.default_rng(config.seed)
    traits = len(config.traits)
    groups = np.arange(config.users) % config.groups
    of_group = config.group_spread * random.standard_normal((config.groups, traits))
    own = config.user_spread * random.standard_normal((config.users, traits))
    apart = of_group[groups] + own
    taste = np.asarray(config.taste, np.float64)
    # What is centred leaves the mean taste what the config says.
    return taste[None] + apart - apart.mean(axis=0, keepdims=True), groups
