"""The users of a simulated population: what they like, and how they choose.

They stand in for people where nobody has been asked. All that is made with them says
"simulated": what a model learns from them is the taste written here, not what listeners
like. They serve to test whether preferences can be learnt and followed at all.

A clip is a row of traits. A user u likes it as `w_u . z`, where z are its traits in
standard deviations from the mean, and of two clips feels the difference

    d = w_u . (z_a - z_b) / temperature + logistic noise

so that u prefers the first with the probability of Bradley and Terry's model. Where
`|d|` is below the tie margin, u calls it a tie (Rao and Kupper, 1967).
"""

import dataclasses
import hashlib
import json
import pathlib

import numpy as np
import scipy.special
from jaxtyping import Float, Int

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ceilings:
    """What is the best that can be expected of predictors; ties are left out.

    Attributes:
      population: accuracy of who knows how many users prefer which clip.
      mean_taste: accuracy of who gives every clip its mean hidden taste.
      personal: accuracy of who knows the taste of the user who chose.
    """

    population: float
    mean_taste: float
    personal: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Votes:
    """Choices of pairs.

    Attributes:
      choices: 1 for the first clip, -1 for the second, 0 for a tie.
      confidences: `tanh(|d| / 2)` of the felt difference d: 0 for none, 1 at most.
    """

    choices: Int[np.ndarray, " pairs"]
    confidences: Float[np.ndarray, " pairs"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Population:
    """Users, and the clips that they measure others by.

    Attributes:
      traits: names of the traits, in the order of their axis.
      weights: of each user.
      groups: of each user.
      mean: of the traits over the clips that the population was made with.
      deviation: standard deviation over these; 1 where the trait was constant.
      temperature: of the noise; more is noisier.
      tie_margin: see `PopulationConfig`.
      seconds: length of the clips that it was made with; None where it is not known.
    """

    traits: tuple[str, ...]
    weights: Float[np.ndarray, "users traits"]
    groups: Int[np.ndarray, " users"]
    mean: Float[np.ndarray, " traits"]
    deviation: Float[np.ndarray, " traits"]
    temperature: float
    tie_margin: float = 0.0
    seconds: float | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the population, in hexadecimal; another one has another."""
        return hashlib.sha256(_text(self).encode()).hexdigest()

    def user_tastes(
        self, traits: Float[np.ndarray, "clips traits"]
    ) -> Float[np.ndarray, "clips users"]:
        """Returns how much each user likes each clip, in units of the noise."""
        scaled = (traits.astype(np.float64) - self.mean[None]) / self.deviation[None]
        return scaled @ self.weights.T / self.temperature

    def taste(
        self, traits: Float[np.ndarray, "clips traits"]
    ) -> Float[np.ndarray, " clips"]:
        """Returns the hidden taste: the mean over users of how they like each clip."""
        return self.user_tastes(traits).mean(axis=1)

    def differences(
        self,
        first: Float[np.ndarray, "pairs traits"],
        second: Float[np.ndarray, "pairs traits"],
    ) -> Float[np.ndarray, "pairs users"]:
        """Returns how much more each user likes the first clip, without the noise."""
        return self.user_tastes(first) - self.user_tastes(second)

    def ceilings(
        self,
        first: Float[np.ndarray, "pairs traits"],
        second: Float[np.ndarray, "pairs traits"],
    ) -> Ceilings:
        """Returns the best accuracies on pairs whose user is drawn at random.

        They are expectations in closed form over pairs, users and noise.
        """
        return best_accuracies(self.differences(first, second), self.tie_margin)

    def vote(
        self,
        first: Float[np.ndarray, "pairs traits"],
        second: Float[np.ndarray, "pairs traits"],
        users: Int[np.ndarray, " pairs"],
        random: np.random.Generator,
    ) -> Votes:
        """Lets one user choose in each pair.

        Args:
          first: traits of the first clips.
          second: of the second ones.
          users: number of the user of each pair.
          random: of the noise.
        """
        sure = self.differences(first, second)[np.arange(len(users)), users]
        felt = sure + random.logistic(size=len(users))
        choices = np.where(np.abs(felt) < self.tie_margin, 0, np.sign(felt))
        return Votes(choices=choices.astype(int), confidences=np.tanh(np.abs(felt) / 2))


def write_population(path: pathlib.Path, population: Population) -> None:
    """Writes a population as JSON, with its digest."""
    fields = {"simulated": True, "digest": population.digest} | _fields(population)
    path.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def read_population(path: pathlib.Path) -> Population:
    """Reads what `write_population` wrote.

    Raises:
      InputError: for a file that is missing, broken, or was changed.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        seconds = found.get("seconds")
        population = Population(
            traits=tuple(found["traits"]),
            weights=np.asarray(found["weights"], np.float64),
            groups=np.asarray(found["groups"], np.int64),
            mean=np.asarray(found["mean"], np.float64),
            deviation=np.asarray(found["deviation"], np.float64),
            temperature=float(found["temperature"]),
            tie_margin=float(found["tie_margin"]),
            seconds=None if seconds is None else float(seconds),
        )
        digest = found["digest"]
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise errors.InputError(
            f"A simulated population is a JSON file; {path} is not: "
            f"{errors.reason(error)}. Pass the file that `musicrl preferences` wrote."
        ) from error
    if digest != population.digest:
        raise errors.InputError(
            f"The population of {path} must have its digest {digest[:12]}; it has "
            f"{population.digest[:12]}. Use the file as it was written."
        )
    return population


def best_accuracies(
    differences: Float[np.ndarray, "pairs users"], tie_margin: float
) -> Ceilings:
    """Returns the ceilings of pairs of whose clips users feel these differences."""
    first = scipy.special.expit(differences - tie_margin)
    second = scipy.special.expit(-differences - tie_margin)
    decided = np.sum(first + second)
    many_first, many_second = first.sum(axis=1), second.sum(axis=1)
    by_taste = np.where(differences.mean(axis=1) > 0, many_first, many_second)
    return Ceilings(
        population=float(np.maximum(many_first, many_second).sum() / decided),
        mean_taste=float(by_taste.sum() / decided),
        personal=float(np.maximum(first, second).sum() / decided),
    )


def _fields(population: Population) -> dict[str, object]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(population).items()
        if value is not None
    }


def _text(population: Population) -> str:
    """Returns the population as text that is the same wherever it is written."""
    return json.dumps(_fields(population), sort_keys=True)
