"""Collects preferences of a simulated population: two clips a caption, one choice.

Required: `SimulatedPreferencesConfig.out` (a folder).
Commonly overridden: `.captions`, `.policies` (weights of several models, whose clips
then meet), `.population` (that of another set), `TraitConfig.seconds`.

The set says that it is simulated, and how often the best possible predictor is right.
`hidden_taste.jsonl` in it holds what the users think of each clip; no training reads
it. Clips are kept in shards in `<out>.clips`, so that a run that was stopped goes on,
and other users can be asked about the same clips.
"""

import dataclasses
import json
import pathlib
import shutil
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import preference_rows, preferences
from musicrl_jax.runs import (
    caption_choice,
    directory_lock,
    output_folder,
    pair_shards,
    trait_clips,
)
from musicrl_jax.synthesis import simulated_population, simulated_users

SOURCE = "simulated_population"
LICENCE = "CC0-1.0"
POPULATION = "simulated_population.json"
HIDDEN_TASTE = "hidden_taste.jsonl"

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulatedPreferencesConfig:
    """Which clips are made, and who is asked.

    Attributes:
      out: folder of the preference set.
      captions: pairs of clips that are made, each for one caption.
      held_out_share: of the captions, taken from the end of the held-out prompts; the
        others are those that policies are trained on.
      policies: weights files; two or more make clips of different models meet, none is
        the policy among the networks.
      votes: users that are asked about each pair.
      population: file of a population that was asked before; empty for a new one.
      users: who a new population is; traits that are not measured are left out.
      clips: how clips are made.
      seed: of captions, clips, sides and choices.
    """

    out: str
    captions: int = 4000
    held_out_share: float = 0.01
    policies: tuple[str, ...] = ()
    votes: int = 1
    population: str = ""
    users: simulated_population.PopulationConfig = dataclasses.field(
        default_factory=simulated_population.PopulationConfig
    )
    clips: trait_clips.TraitConfig = dataclasses.field(
        default_factory=trait_clips.TraitConfig
    )
    seed: int = 0

    def __post_init__(self) -> None:
        most = self.votes if self.population else self.users.users
        if self.captions < 1 or not 1 <= self.votes <= most:
            raise errors.InputError(
                "SimulatedPreferencesConfig needs captions, and between 1 vote a pair "
                f"and one of all {self.users.users} users; got {self.captions} and "
                f"{self.votes}. Change them."
            )
        if not 0 <= self.held_out_share <= 1 or self.seed < 0:
            raise errors.InputError(
                "SimulatedPreferencesConfig needs a held_out_share from 0 to 1 and a "
                f"seed of 0 or more; got {self.held_out_share} and {self.seed}."
            )


def run(
    config: SimulatedPreferencesConfig, progress: Progress | None = None
) -> dict[str, Any]:
    """Writes the preference set; returns what is in it.

    Args:
      config: what to make; the same one makes the same set.
      progress: called with (pairs made, pairs in all).

    Raises:
      InputError: where networks, captions or the population cannot be used, or the
        folders hold a set of other settings.
    """
    out = pathlib.Path(config.out)
    work = out.with_name(out.name + ".clips")
    output_folder.check_own(out, "A preference set")
    for policy in config.policies:
        weights.read_config(policy)
    asked_before = _asked_before(config)
    captions = caption_choice.choose(
        config.clips.networks, config.captions, config.held_out_share, config.seed
    )
    with directory_lock.only_one(work, "preferences"):
        pairs = pair_shards.PairShards(
            folder=work, config=config.clips, policies=config.policies, seed=config.seed
        ).collect(captions, progress)
        population = asked_before or _new_population(config, pairs)
        facts = _write(config, captions, pairs, population)
    return {"preferences": str(out)} | facts


def _asked_before(
    config: SimulatedPreferencesConfig,
) -> simulated_users.Population | None:
    """Returns the population that the config names, if it does."""
    if not config.population:
        return None
    population = simulated_users.read_population(pathlib.Path(config.population))
    check_clips(population, config.clips)
    if config.votes > (users := len(population.weights)):
        raise errors.InputError(
            f"Votes of a pair must be among the {users} users of {config.population}; "
            f"got {config.votes}. Set SimulatedPreferencesConfig.votes lower."
        )
    return population


def _new_population(
    config: SimulatedPreferencesConfig, pairs: pair_shards.Pairs
) -> simulated_users.Population:
    """Returns a population whose ceiling on these pairs is the config's."""
    traits = config.clips.traits
    weights = dict(zip(config.users.traits, config.users.taste, strict=True))
    if unknown := set(traits) - weights.keys():
        raise errors.InputError(
            f"PopulationConfig.traits must name {', '.join(traits)}; it lacks "
            f"{', '.join(sorted(unknown))}. Add them, with a taste of 0 for none."
        )
    users = dataclasses.replace(
        config.users, traits=traits, taste=tuple(weights[name] for name in traits)
    )
    made = simulated_population.settle(users, pairs.traits[0], pairs.traits[1])
    return dataclasses.replace(made, seconds=config.clips.seconds)


def check_clips(
    population: simulated_users.Population, clips: trait_clips.TraitConfig
) -> None:
    """Raises InputError where a population was made with other clips than these."""
    if population.traits != clips.traits:
        raise errors.InputError(
            f"The population judges by {', '.join(population.traits)}; measured are "
            f"{', '.join(clips.traits)}. Set TraitConfig.quality_weights as it was for "
            "that population."
        )
    if population.seconds is not None and population.seconds != clips.seconds:
        raise errors.InputError(
            f"The population judges clips of {population.seconds:g} s, which it was "
            f"made with; got {clips.seconds:g}. Pass --seconds {population.seconds:g}."
        )


def _write(
    config: SimulatedPreferencesConfig,
    captions: caption_choice.Captions,
    pairs: pair_shards.Pairs,
    population: simulated_users.Population,
) -> dict[str, Any]:
    """Lets users choose and writes the folder, whole or not at all."""
    rows, choices = _choose(config, captions, pairs, population)
    ceilings = population.ceilings(pairs.traits[0], pairs.traits[1])
    about = {
        "population": population.digest,
        "ceiling_of_mean_taste": ceilings.mean_taste,
        "ceiling_of_personal_taste": ceilings.personal,
        "pairs": len(captions.texts),
        "votes": len(rows),
        "ties": int(np.sum(choices == 0)),
        "held_out_captions": captions.held_out,
        "policies": list(pairs.names),
        "seconds": config.clips.seconds,
    }
    facts = preference_rows.Facts(
        simulated=True,
        frame_rate_hz=pairs.frame_rate_hz,
        tokens_per_frame=pairs.tokens.shape[-1],
        ceiling_accuracy=ceilings.population,
        others=about,
    )
    out = pathlib.Path(config.out)
    temporary = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    try:
        tokens = pairs.tokens.swapaxes(0, 1).reshape(-1, *pairs.tokens.shape[2:])
        preferences.write_preferences(temporary, rows, tokens, facts)
        simulated_users.write_population(temporary / POPULATION, population)
        _write_taste(temporary / HIDDEN_TASTE, captions, pairs, population)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return {"simulated": True, "ceiling_accuracy": ceilings.population} | about


def _choose(
    config: SimulatedPreferencesConfig,
    captions: caption_choice.Captions,
    pairs: pair_shards.Pairs,
    population: simulated_users.Population,
) -> tuple[list[preference_rows.Preference], Int[np.ndarray, " votes"]]:
    """Returns a row for each vote, and 1, -1 or 0 for its choice."""
    count = len(captions.texts)
    random = np.random.default_rng([config.seed, 1])
    order = np.argsort(random.random((count, len(population.weights))), axis=1)
    users = order[:, : config.votes].ravel()
    places = np.repeat(np.arange(count), config.votes)
    first, second = pairs.traits[0][places], pairs.traits[1][places]
    votes = population.vote(first, second, users, random)
    words = {1: preference_rows.FIRST, -1: preference_rows.SECOND}
    rows = [
        preference_rows.Preference(
            caption=captions.texts[place],
            a=2 * int(place),
            b=2 * int(place) + 1,
            choice=words.get(int(choice), preference_rows.TIE),
            user=f"simulated_{user:04d}",
            group=f"simulated_group_{population.groups[user]}",
            confidence=round(float(sure), 4),
            source=SOURCE,
            licence=LICENCE,
        )
        for place, user, choice, sure in zip(
            places, users, votes.choices, votes.confidences, strict=True
        )
    ]
    return rows, votes.choices


def _write_taste(
    path: pathlib.Path,
    captions: caption_choice.Captions,
    pairs: pair_shards.Pairs,
    population: simulated_users.Population,
) -> None:
    """Writes what nobody who learns may read: the taste of each clip, by its row."""
    tastes = [population.taste(traits) for traits in pairs.traits]
    with path.open("w", encoding="utf-8") as file:
        for place, caption in enumerate(captions.texts):
            for side in (0, 1):
                row = {
                    "simulated": True,
                    "clip": 2 * place + side,
                    "caption": caption,
                    "policy": pairs.names[pairs.policies[side, place]],
                    "taste": round(float(tastes[side][place]), 5),
                } | named(population.traits, pairs.traits[side, place])
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def named(
    names: Sequence[str], traits: Float[np.ndarray, " traits"]
) -> dict[str, float]:
    """Returns traits by name, rounded for a file."""
    return {name: round(float(x), 5) for name, x in zip(names, traits, strict=True)}
