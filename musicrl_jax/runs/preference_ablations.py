"""`musicrl ablations`: what a preference model hears (paper, section 6 and figure 6).

Trains the model with everything, without text, on crops, and from scratch, and asks
MuLan's score and the quality score, too, which clip of each held-out pair is the
preferred one. All are judged on the same pairs.

Required: `PreferenceAblationsConfig.run_dir`, `PretrainPreferenceConfig.preferences`.

run_dir/NAME               the training run of a variant; one that was stopped goes on
run_dir/scores/NAME.npz    scores of the held-out pairs; what has them is not run again
run_dir/ablations.json     the rows, and facts of the set
run_dir/ablations.csv      the rows alone
"""

import csv
import dataclasses
import functools
import io
import json
import math
import pathlib
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors, protocols
from musicrl_jax.evaluation import preference_fit
from musicrl_jax.pretraining import loop
from musicrl_jax.rewards import batches, text_adherence
from musicrl_jax.runs import (
    network_files,
    preference_pairs,
    pretrain_musiclm,
    pretrain_preference,
    run_config,
    stages,
    system,
)

FULL = "full"
MODEL, PREDICTOR = "model", "predictor"
COLUMNS = (
    *("variant", "kind", "accuracy", "low", "high", "pairs", "clusters", "nll"),
    "p_value",
)

Scores = tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]
"""Of the preferred clips and of the others."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreferenceAblationsConfig:
    """One comparison.

    Attributes:
      run_dir: see the head of this file.
      training: of the full model; its `run_dir` and `out` are not used.
      quality_weights: weights file of a quality estimator; empty means the one beside
        the networks, if any.
      crops_seconds: crop lengths; those that are not shorter than the clips are left
        out.
      from_scratch: whether the full model is also trained from a random beginning.
      clips_per_call: clips that are rendered at once.
    """

    run_dir: str
    training: pretrain_preference.PretrainPreferenceConfig
    quality_weights: str = ""
    crops_seconds: tuple[float, ...] = (10.0, 5.0, 3.0)
    from_scratch: bool = True
    clips_per_call: int = 16

    def __post_init__(self) -> None:
        crops = all(0 < seconds < math.inf for seconds in self.crops_seconds)
        if self.clips_per_call < 1 or not crops:
            raise errors.InputError(
                "PreferenceAblationsConfig needs clips_per_call of 1 or more and "
                f"positive, finite crops_seconds; got {self.clips_per_call} and "
                f"{self.crops_seconds}."
            )


def run(
    config: PreferenceAblationsConfig, hooks: loop.Hooks | None = None
) -> list[dict[str, Any]]:
    """Trains and judges what is missing; returns a row for each variant.

    Raises:
      InputError: for a set that cannot be used, or a variant that was made with other
        settings.
      Preempted: when stopped; the same command goes on.
    """
    folder = pathlib.Path(config.run_dir)
    networks = network_files.directory(config.training.networks)
    policy, _ = pretrain_musiclm.load(networks / network_files.MUSICLM)
    pairs = preference_pairs.read(
        config.training.preferences, config.training.selection, networks, policy.layout
    )
    variants, predictors = _variants(config, pairs), _predictors(config, policy)
    for name, training in variants.items():
        judged = functools.partial(_model_scores, training, pairs, hooks)
        settings = dataclasses.replace(training, run_dir="", out="")
        _finish(folder, name, [settings, pairs.selection.counts], judged)
    for name, judged in predictors.items():
        settings = [networks, config.quality_weights, pairs.selection.counts]
        _finish(folder, name, settings, functools.partial(judged, pairs))
    kinds = dict.fromkeys(variants, MODEL) | dict.fromkeys(predictors, PREDICTOR)
    rows = _rows(folder, kinds, pairs)
    _write(folder, rows, pairs)
    return rows


def _variants(
    config: PreferenceAblationsConfig, pairs: preference_pairs.Pairs
) -> dict[str, pretrain_preference.PretrainPreferenceConfig]:
    """Returns the training run of each variant by its name."""
    full = config.training
    silent = dataclasses.replace(full.preference, use_text=False)
    changes: dict[str, dict[str, Any]] = {FULL: {}, "no_text": {"preference": silent}}
    for seconds in config.crops_seconds:
        if pairs.frames(seconds) < pairs.frames(full.crop_seconds):
            changes[f"crop_{seconds:g}"] = {"crop_seconds": seconds}
    if config.from_scratch:
        changes["from_scratch"] = {"from_scratch": True}
    folder = pathlib.Path(config.run_dir)
    return {
        name: dataclasses.replace(
            full,
            run_dir=str(folder / name),
            out=str(folder / f"{name}.safetensors"),
            **changed,
        )
        for name, changed in changes.items()
    }


def _finish(
    folder: pathlib.Path,
    name: str,
    settings: stages.Settings,
    judged: Callable[[], Scores],
) -> None:
    """Writes the scores of a variant where they are missing."""
    output = _scores_file(folder, name)

    def judge() -> None:
        preferred, other = judged()
        output.parent.mkdir(parents=True, exist_ok=True)
        temporary = output.with_suffix(".partial.npz")
        np.savez(temporary, preferred=preferred, other=other)
        temporary.replace(output)

    stage = stages.Stage(name=name, output=output, settings=settings, run=judge)
    stages.run_chain([stage], folder / "records")


def _model_scores(
    training: pretrain_preference.PretrainPreferenceConfig,
    pairs: preference_pairs.Pairs,
    hooks: loop.Hooks | None,
) -> Scores:
    """Trains a variant and scores the held-out pairs with it."""
    pretrain_preference.run(training, hooks)
    model, params = pretrain_preference.load(pathlib.Path(training.out))
    return pretrain_preference.make_judge(training, model, pairs).scores(params)


def _predictors(
    config: PreferenceAblationsConfig, policy: protocols.Policy
) -> dict[str, Callable[[preference_pairs.Pairs], Scores]]:
    """Returns the rewards that are asked, by name: they hear the clips rendered."""
    networks = network_files.directory(config.training.networks)
    sound = system.Sound(networks, policy)
    rewards: dict[str, protocols.Reward] = {
        "mulan": text_adherence.TextAdherenceReward(
            embedder=sound.embedder,
            params=sound.embedder_params,
            tokenizer=sound.tokenizer,
        )
    }
    wanted = run_config.RewardConfig(quality_weights=config.quality_weights)
    if (path := network_files.quality(wanted, networks)) is not None:
        part = system.quality_part(path, 1.0, sound.sample_rate_hz)
        rewards[part.name] = part.reward
    return {
        name: functools.partial(_heard, reward, sound, config.clips_per_call)
        for name, reward in rewards.items()
    }


def _heard(
    reward: protocols.Reward,
    sound: system.Sound,
    clips_per_call: int,
    pairs: preference_pairs.Pairs,
) -> Scores:
    """Returns a reward's scores of the rendered clips of the held-out pairs."""
    choices = pairs.selection.held_out
    scores: list[Float[np.ndarray, " p"]] = []
    for rows in (choices.preferred, choices.other):
        parts = []
        for start in range(0, len(rows), clips_per_call):
            some = slice(start, start + clips_per_call)
            tokens = np.asarray(pairs.tokens[rows[some]], np.int32)
            padded = batches.pad_rows(tokens, clips_per_call)
            waveform = np.asarray(sound.render_coarse(jnp.asarray(padded)))[
                : len(tokens)
            ]
            captions = choices.captions[some]
            parts.append(reward(captions, waveform, tokens)["total"])
        scores.append(np.concatenate(parts))
    return scores[0], scores[1]


def _rows(
    folder: pathlib.Path, kinds: dict[str, str], pairs: preference_pairs.Pairs
) -> list[dict[str, Any]]:
    """Returns a row for each variant; p-values are against the full model."""
    found = {name: np.load(_scores_file(folder, name)) for name in kinds}
    right = {
        name: preference_fit.outcomes(one["preferred"], one["other"])
        for name, one in found.items()
    }
    choices, rows = pairs.selection.held_out, []
    first, clusters = choices.first, choices.clusters
    for name, kind in kinds.items():
        fit = preference_fit.fit(
            found[name]["preferred"], found[name]["other"], first, clusters=clusters
        )
        rows.append(
            {
                "variant": name,
                "kind": kind,
                "accuracy": fit.accuracy.share,
                "low": fit.accuracy.low,
                "high": fit.accuracy.high,
                "pairs": fit.accuracy.pairs,
                "clusters": fit.accuracy.clusters,
                # Other rewards are no log-odds.
                "nll": fit.nll if kind == MODEL else None,
                "p_value": None
                if name == FULL
                else preference_fit.mcnemar(right[name], right[FULL], clusters),
            }
        )
    return rows


def _write(
    folder: pathlib.Path, rows: list[dict[str, Any]], pairs: preference_pairs.Pairs
) -> None:
    """Writes the rows, and says whether the users are simulated."""
    clustered = pairs.selection.held_out.cluster_kind
    about = {
        "simulated": pairs.facts.simulated,
        "ceiling_accuracy": pairs.facts.ceiling_accuracy,
        "pairs": pairs.selection.counts,
        "p_value": (
            f"exact McNemar test against the full model, one vote a {clustered}"
        ),
        "interval": f"Wilson, 95 %, choices clustered by {clustered}",
        "clusters": clustered,
    }
    text = json.dumps({"rows": rows, "about": about}, indent=1)
    (folder / "ablations.json").write_text(text, encoding="utf-8")
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, [*COLUMNS, "simulated"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"simulated": pairs.facts.simulated} for row in rows)
    (folder / "ablations.csv").write_text(table.getvalue(), encoding="utf-8")


def _scores_file(folder: pathlib.Path, name: str) -> pathlib.Path:
    return folder / "scores" / f"{name}.npz"
