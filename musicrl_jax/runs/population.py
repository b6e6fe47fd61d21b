"""Asks a simulated population which of several models it likes better.

Required: `PopulationJudgeConfig.policies` (`name=weights.safetensors`, two or more),
`.population` (the file in a set of `musicrl preferences`).
Commonly overridden: `.prompts`, `.out`, `TraitConfig.seconds` (as in that set).

Each model makes one clip for each of the same held-out prompts from the same keys;
prompts that training or the preference set had are left out.
`population.json` holds who is preferred, `clips.jsonl` each clip's traits and taste.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors, rng
from musicrl_jax.data import captions, preference_rows, preferences
from musicrl_jax.evaluation import population_votes, prompts
from musicrl_jax.runs import output_folder, simulated_preferences, system, trait_clips
from musicrl_jax.synthesis import simulated_users

RESULT = "population.json"
CLIPS = "clips.jsonl"

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PopulationJudgeConfig:
    """One comparison of models.

    Attributes:
      policies: `name=weights file` of each model; they are of one size.
      population: file of the population, of a set of `musicrl preferences`.
      out: folder to write.
      prompts: held-out prompts, from the beginning of their file; those that are
        captions of training or of the population's preference set are left out.
      voters: users that compare each prompt's clips; their majority is one vote.
      clips: how clips are made and heard; as for the population.
      seed: of clips, users and choices.
    """

    policies: tuple[str, ...]
    population: str
    out: str = "population"
    prompts: int = 200
    voters: int = 5
    clips: trait_clips.TraitConfig = dataclasses.field(
        default_factory=trait_clips.TraitConfig
    )
    seed: int = 0

    def __post_init__(self) -> None:
        names = [_split(policy)[0] for policy in self.policies]
        if len(names) < 2 or len(set(names)) != len(names):
            raise errors.InputError(
                "PopulationJudgeConfig.policies needs two models or more of distinct "
                f"names; got {', '.join(names) or 'none'}. Pass --policy name=file."
            )
        if self.prompts < 2 or self.voters < 1 or self.seed < 0:
            raise errors.InputError(
                "PopulationJudgeConfig needs 2 prompts, 1 voter and a seed of 0, or "
                f"more; got {self.prompts}, {self.voters}, {self.seed}."
            )


def run(
    config: PopulationJudgeConfig, progress: Progress | None = None
) -> dict[str, Any]:
    """Makes the clips, asks the users, writes and returns what they say.

    Args:
      config: what to compare.
      progress: called with (clips made, clips in all).

    Raises:
      InputError: where files are missing or do not fit together, there are fewer
        prompts or users than are asked for, or `out` has votes or cannot be written.
    """
    _check_output(pathlib.Path(config.out))
    population = simulated_users.read_population(pathlib.Path(config.population))
    simulated_preferences.check_clips(population, config.clips)
    population_votes.check_voters(population, config.voters)
    texts = _texts(config)
    traits = _traits(config, texts, progress)
    met = population_votes.meet(
        population, traits, voters=config.voters, seed=config.seed
    )
    result = {
        "simulated": True,
        "population": population.digest,
        "prompts": len(texts),
        "seconds": config.clips.seconds,
        "voters": config.voters,
        "policies": [
            dataclasses.asdict(one)
            for one in population_votes.tastes(population, traits)
        ],
        "pairs": [dataclasses.asdict(one) for one in met],
        "comparisons": [_comparison(one) for one in met],
    }
    _write(pathlib.Path(config.out), result, population, texts, traits)
    return result


def _check_output(out: pathlib.Path) -> None:
    output_folder.check_writable(out)
    if (out / RESULT).exists():
        raise errors.InputError(
            f"{out} holds votes already, in {RESULT}. Choose another --out, or remove "
            "it."
        )


def _comparison(meeting: population_votes.Meeting) -> dict[str, Any]:
    """Returns a meeting as `musicrl study` has its comparisons, for the report."""
    return {
        "a": meeting.first,
        "b": meeting.second,
        "win": meeting.wins,
        "tie": meeting.ties,
        "loss": meeting.losses,
        "win_rate": meeting.win_rate,
        "low": meeting.low,
        "high": meeting.high,
        "n": meeting.wins + meeting.ties + meeting.losses,
    }


def _split(policy: str) -> tuple[str, str]:
    """Returns the name and the path of `name=path`."""
    name, mark, path = policy.partition("=")
    if not (mark and name and path):
        raise errors.InputError(
            f"A model to compare is given as name=weights file; got {policy!r}. Pass, "
            "for example, --policy base=musiclm.safetensors."
        )
    return name, path


def new_prompts(networks: pathlib.Path, asked: pathlib.Path | None) -> list[str]:
    """Returns held-out prompts that no policy or preference model was trained on.

    Args:
      networks: whose held-out prompts and captions of training are read.
      asked: folder of a preference set, if there is one.

    Raises:
      InputError: where a file cannot be read.
    """
    met: list[str] = []
    if (path := networks / system.TRAIN_CAPTIONS).exists():
        file = captions.CaptionFile(path)
        met += [file[number] for number in range(len(file))]
    if asked is not None and (asked / preferences.PAIRS).exists():
        met += [pair.caption for pair in preferences.read_preferences(asked).pairs]
    known = {preference_rows.normalised(text) for text in dict.fromkeys(met)}
    return [
        prompt.text
        for prompt in prompts.read_prompts(networks / system.HELD_OUT_PROMPTS)
        if preference_rows.normalised(prompt.text) not in known
    ]


def _texts(config: PopulationJudgeConfig) -> list[str]:
    folder = system.networks_directory(config.clips.networks)
    found = new_prompts(folder, pathlib.Path(config.population).parent)
    if len(found) < config.prompts:
        raise errors.InputError(
            f"PopulationJudgeConfig.prompts asks for {config.prompts}; "
            f"{folder / system.HELD_OUT_PROMPTS} has {len(found)} that are captions "
            "neither of training nor of the population's preference set. Ask for fewer."
        )
    return found[: config.prompts]


def _traits(
    config: PopulationJudgeConfig, texts: list[str], progress: Progress | None
) -> dict[str, Float[np.ndarray, "prompts traits"]]:
    """Returns the traits of each model's clips, by its name."""
    named = [_split(policy) for policy in config.policies]
    sampler = trait_clips.TraitSampler(config.clips, [path for _, path in named])
    keys = rng.clip_keys(jax.random.key(config.seed), "population", 0, len(texts))
    size, total = config.clips.clips_per_call, len(texts) * len(named)
    found: dict[str, Float[np.ndarray, "prompts traits"]] = {}
    for number, (name, _) in enumerate(named):
        parts = []
        for start in range(0, len(texts), size):
            some = texts[start : start + size]
            parts.append(sampler(number, some, keys[start : start + size]).traits)
            if progress is not None:
                progress(number * len(texts) + start + len(some), total)
        found[name] = np.concatenate(parts)
    return found


def _write(
    out: pathlib.Path,
    result: dict[str, Any],
    population: simulated_users.Population,
    texts: list[str],
    traits: dict[str, Float[np.ndarray, "prompts traits"]],
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with (out / CLIPS).open("w", encoding="utf-8") as file:
        for name, measured in traits.items():
            tastes = population.taste(measured).tolist()
            for text, row, taste in zip(texts, measured, tastes, strict=True):
                about = {"simulated": True, "policy": name, "prompt": text}
                about |= {"taste": round(taste, 5)}
                about |= simulated_preferences.named(population.traits, row)
                file.write(json.dumps(about, ensure_ascii=False) + "\n")
    text = json.dumps(result, indent=1, ensure_ascii=False)
    partial = out / f".{RESULT}.partial"
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(out / RESULT)  # whole or not at all
