"""Trains the preference model on a preference set and writes its weights.

Required: `PretrainPreferenceConfig.preferences` (see `data.preferences`), `.networks`
(the folder of MusicLM, whose transformers it begins as, and of MuLan), `.run_dir`,
`.out`. Commonly overridden: `.crop_seconds`, `PreferenceConfig.use_text`,
`SelectionConfig.min_confidence`, `.groups`.

The state with the lowest held-out NLL is exported. It is chosen on the pairs that its
figures are of, so that these flatter it a little where held-out pairs are few.

Where users are simulated, figures and metrics of held-out pairs are called
`simulated/...`, and the weights file's config says `simulated_users`.
"""

import dataclasses
import functools
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors
from musicrl_jax.data import preference_batches, preference_choices
from musicrl_jax.evaluation import opinion_scores, preference_fit
from musicrl_jax.models.preference import adapter, objective
from musicrl_jax.models.preference import config as preference_config
from musicrl_jax.models.preference import warm_start as preference_start
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step
from musicrl_jax.runs import (
    network_files,
    preference_pairs,
    pretrain_musiclm,
    training,
    warm_start,
)

NETWORK = "preference"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainPreferenceConfig:
    """One training run of the preference model.

    Attributes:
      preferences: folder of the set.
      run_dir: see `runs.training`; a run that was stopped goes on there.
      out: the safetensors file to write; its figures lie beside it as JSON.
      networks: folder of MusicLM and MuLan; empty means those of the package.
      preference: sizes of the heads; the trunk has those of MusicLM.
      selection: which pairs are used, and how they are split.
      pretrain: steps, learning rate, checkpoints, seed.
      batch_size: pairs of a step.
      crop_seconds: length of the crops that are trained and judged on; 0 for whole
        clips.
      from_scratch: whether the trunk begins at random, and not as MusicLM.
      seen_share: share of the pairs that each of several heads learns from.
      clips_per_call: clips that are judged at once.
    """

    preferences: str
    run_dir: str
    out: str
    networks: str = ""
    preference: preference_config.PreferenceConfig = dataclasses.field(
        default_factory=preference_config.PreferenceConfig
    )
    selection: preference_choices.SelectionConfig = dataclasses.field(
        default_factory=preference_choices.SelectionConfig
    )
    pretrain: pretrain_config.PretrainConfig = dataclasses.field(
        default_factory=lambda: pretrain_config.PretrainConfig(
            steps=10_000, learning_rate=1e-4, save_every=500
        )
    )
    batch_size: int = 32
    crop_seconds: float = 0.0
    from_scratch: bool = False
    seen_share: float = 0.7
    clips_per_call: int = 32

    def __post_init__(self) -> None:
        whole = min(self.batch_size, self.clips_per_call) >= 1
        if not (whole and 0 <= self.crop_seconds < math.inf):
            raise errors.InputError(
                "PretrainPreferenceConfig needs batch_size and clips_per_call of 1 or "
                f"more and finite crop_seconds of 0 or more; got {self.batch_size}, "
                f"{self.clips_per_call} and {self.crop_seconds}."
            )


def run(
    config: PretrainPreferenceConfig, hooks: loop.Hooks | None = None
) -> dict[str, float | int]:
    """Trains, writes `config.out`; returns the figures of held-out pairs.

    Raises:
      InputError: for a set that cannot be used or does not fit the networks.
      Preempted: when stopped; the state is saved.
    """
    networks = network_files.directory(config.networks)
    policy, trunk = pretrain_musiclm.load(networks / network_files.MUSICLM)
    pairs = preference_pairs.read(
        config.preferences, config.selection, networks, policy.layout
    )
    sizes = dataclasses.replace(
        config.preference,
        simulated_users=pairs.facts.simulated,
        clip_seconds=pairs.frames(config.crop_seconds) / pairs.facts.frame_rate_hz,
    )
    model = adapter.make_model(sizes, policy.config, policy.layout)
    judge = make_judge(config, model, pairs)

    def evaluate(state: step.PretrainState) -> Mapping[str, float | int]:
        return _figures(judge, step.trained_params(state))[0]

    state = _train(
        config,
        judge,
        {} if config.from_scratch else trunk,
        dataclasses.replace(hooks or loop.Hooks(), evaluate=evaluate),
    )
    params = step.trained_params(state)
    out = pathlib.Path(config.out)
    weights.save_weights(out, params, NETWORK, described(model))
    figures, bins = _figures(judge, params)
    record: dict[str, Any] = figures | bins | _about(config, pairs)
    out.with_suffix(".json").write_text(json.dumps(record, indent=1), "utf-8")
    return figures


def make_judge(
    config: PretrainPreferenceConfig,
    model: adapter.PreferenceModel,
    pairs: preference_pairs.Pairs,
) -> preference_pairs.Judge:
    """Returns what scores the held-out pairs as the config says."""
    return preference_pairs.Judge(
        model=model,
        pairs=pairs,
        choices=pairs.selection.held_out,
        frames=pairs.frames(config.crop_seconds),
        clips_per_call=config.clips_per_call,
    )


def described(model: adapter.PreferenceModel) -> dict[str, Any]:
    """Returns what a weights file says of the model."""
    return {
        "preference": dataclasses.asdict(model.config),
        "musiclm": dataclasses.asdict(model.trunk),
        "layout": dataclasses.asdict(model.layout),
    }


def load(path: pathlib.Path) -> tuple[adapter.PreferenceModel, arrays.Params]:
    """Returns the model and parameters of a weights file.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    return weights.load_network(
        path, NETWORK, make, lambda model: model.abstract_params()
    )


def check(path: pathlib.Path) -> None:
    """Refuses what `load` would, without reading the parameters."""
    weights.check_network(path, NETWORK, make, lambda model: model.abstract_params())


def make(fields: Mapping[str, Any]) -> adapter.PreferenceModel:
    """Returns the model whose configuration a weights file holds."""
    policy = pretrain_musiclm.make(fields)
    return adapter.make_model(
        preference_config.PreferenceConfig(**fields["preference"]),
        policy.config,
        policy.layout,
    )


def _train(
    config: PretrainPreferenceConfig,
    judge: preference_pairs.Judge,
    trunk: arrays.Params,
    hooks: loop.Hooks,
) -> step.PretrainState:
    """Trains from `trunk`, or at random where it is empty; returns the best state."""
    choices = judge.pairs.selection.train
    batches = preference_batches.PreferenceBatches(
        tokens=judge.pairs.tokens,
        choices=choices,
        conditioning=judge.pairs.conditions(choices),
        batch_size=config.batch_size,
        frames=judge.frames,
        seed=config.pretrain.seed,
    )
    settings = dataclasses.replace(
        config.pretrain,
        best_metric=f"{judge.pairs.label}held_out/nll",
        best_mode="min",
        export_best=True,
    )
    trainer = objective.PreferenceObjective(
        model=judge.model, seen_share=config.seen_share
    )

    def begin(
        params: arrays.Params, statistics: arrays.Params
    ) -> tuple[arrays.Params, arrays.Params]:
        return preference_start.with_trunk(params, trunk), statistics

    start = functools.partial(warm_start.begin, change=begin) if trunk else None
    return training.train(trainer, batches, settings, config.run_dir, hooks, start)


def _figures(
    judge: preference_pairs.Judge, params: arrays.Params
) -> tuple[dict[str, float | int], dict[str, Any]]:
    """Returns the scalars, and the bins by margin, of the held-out pairs."""
    name = f"{judge.pairs.label}held_out"
    preferred, other = judge.scores(params)
    ceiling = judge.pairs.facts.ceiling_accuracy
    fit = preference_fit.fit(
        preferred,
        other,
        judge.choices.first,
        ceiling,
        clusters=judge.choices.clusters,
    )
    given = np.concatenate([preferred, other])
    figures = {f"{name}/{key}": value for key, value in fit.figures().items()}
    figures[f"{name}/correlation/repetition"] = opinion_scores.spearman(
        given.astype(np.float64), judge.repetition
    )
    figures[f"{name}/score_deviation"] = float(np.std(given))
    bins = {f"{name}/by_margin": [dataclasses.asdict(one) for one in fit.bins]}
    return figures, bins


def _about(
    config: PretrainPreferenceConfig, pairs: preference_pairs.Pairs
) -> dict[str, Any]:
    """Returns what the figures' file says of set and settings."""
    return {
        "simulated": pairs.facts.simulated,
        "ceiling_accuracy": pairs.facts.ceiling_accuracy,
        "pairs": pairs.selection.counts,
        "clusters": pairs.selection.held_out.cluster_kind,
        "from_scratch": config.from_scratch,
        "use_text": config.preference.use_text,
        "crop_seconds": config.crop_seconds,
        "seed": config.pretrain.seed,
    }
