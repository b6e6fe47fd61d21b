"""The allow-list of gin: every name that a gin file may bind or reference.

Gin's own dynamic registration accepts a binding on anything importable and then
ignores it where Python makes the call itself. Here a name is bindable because it
stands in this table, and `bindings` checks that each binding took effect.
"""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """A command whose config comes from gin.

    Attributes:
      module: the file in `runs` that holds it.
      config: the config class, a name in `CONFIGURABLES`.
      function: what is called with the config.
      progress: the function's argument for a callback (done, total), if it has one.
      file: its gin file in `gin/runs`, where that is not the command's name.
      trains: whether it takes the hooks of `pretraining.loop`.
    """

    module: str
    config: str
    function: str = "run"
    progress: str = ""
    file: str = ""
    trains: bool = False


def _pretrain(network: str, config: str) -> Command:
    return Command(module=f"runs.pretrain_{network}", config=config, trains=True)


COMMANDS = {
    "ablations": Command(
        module="runs.preference_ablations",
        config="PreferenceAblationsConfig",
        trains=True,
    ),
    "actor": Command(module="runs.actor", config="RunConfig"),
    "adherence": Command(
        module="runs.adherence", config="AdherenceConfig", progress="progress"
    ),
    "captions": Command(module="runs.caption_mixture", config="CaptionMixtureConfig"),
    "bench_soundstorm": Command(
        module="runs.bench_soundstorm", config="BenchSoundStormConfig"
    ),
    **{
        f"bench_{part}": Command(
            module="runs.bench_parts", config="BenchConfig", file="bench"
        )
        for part in ("sample", "update", "pretrain", "rewards", "sync")
    },
    "corpus": Command(
        module="runs.corpus",
        config="CorpusConfig",
        function="build",
        progress="report",
    ),
    "demo": Command(module="runs.demo", config="DemoConfig"),
    "distance": Command(
        module="runs.distance", config="DistanceConfig", progress="progress"
    ),
    "evaluator": Command(module="runs.evaluator", config="RunConfig"),
    "finetune": Command(module="runs.finetune", config="RunConfig"),
    "generate": Command(
        module="runs.generate",
        config="GenerateConfig",
        function="generate",
        progress="progress",
    ),
    "learner": Command(module="runs.learner", config="RunConfig"),
    "manifest": Command(
        module="runs.audio_manifest", config="ManifestConfig", progress="progress"
    ),
    "plan": Command(module="runs.plan", config="PlanConfig", progress="progress"),
    "plan_search": Command(
        module="runs.plan_search",
        config="PlanConfig",
        progress="progress",
        file="plan",
    ),
    "pool": Command(module="runs.caption_pool", config="CaptionPoolConfig"),
    "population": Command(
        module="runs.population", config="PopulationJudgeConfig", progress="progress"
    ),
    "preferences": Command(
        module="runs.simulated_preferences",
        config="SimulatedPreferencesConfig",
        progress="progress",
    ),
    "pretrain_attributes": _pretrain("attributes", "PretrainAttributesConfig"),
    "pretrain_codec": _pretrain("codec", "PretrainCodecConfig"),
    "pretrain_mulan": _pretrain("mulan", "PretrainMulanConfig"),
    "pretrain_musiclm": _pretrain("musiclm", "PretrainMusicLMConfig"),
    "pretrain_preference": _pretrain("preference", "PretrainPreferenceConfig"),
    "pretrain_quality": _pretrain("quality", "PretrainQualityConfig"),
    "pretrain_semantic": _pretrain("semantic", "PretrainSemanticConfig"),
    "pretrain_soundstream": _pretrain("soundstream", "PretrainSoundStreamConfig"),
    "probe": Command(module="runs.probe", config="ProbeConfig", progress="progress"),
    "pretrain_soundstorm": _pretrain("soundstorm", "PretrainSoundStormConfig"),
    "ratings": Command(
        module="runs.degradation_corpus",
        config="DegradationCorpusConfig",
        progress="progress",
    ),
    "starter": Command(module="runs.starter", config="StarterConfig", trains=True),
    "study_analysis": Command(
        module="runs.study_analysis", config="StudyAnalysisConfig"
    ),
    "study_panel": Command(module="runs.study_panel", config="StudyPanelConfig"),
    "study_plan": Command(
        module="runs.study_plan", config="StudyPlanConfig", progress="progress"
    ),
    "tokenize": Command(
        module="runs.tokenize_corpus",
        config="TokenizeCorpusConfig",
        progress="progress",
    ),
    "votes": Command(
        module="runs.import_preferences",
        config="ImportPreferencesConfig",
        progress="progress",
    ),
}

# Where each bindable name lives, below `musicrl_jax`.
CONFIGURABLES = {
    "ActorConfig": "acting.config",
    "AdherenceConfig": "runs.adherence",
    "AdversarialConfig": "pretraining.adversarial_config",
    "Augmentation": "models.mulan.objective",
    "CaptionMixtureConfig": "runs.caption_mixture",
    "BagConfig": "models.semantic.bag_tuning",
    "BenchConfig": "runs.bench_work",
    "BenchSoundStormConfig": "runs.bench_soundstorm",
    "CaptionPoolConfig": "runs.caption_pool",
    "CodecConfig": "models.codec.config",
    "CodecLossConfig": "models.codec.config",
    "CorpusConfig": "runs.corpus",
    "DecodingConfig": "models.soundstorm.config",
    "DegradationCorpusConfig": "runs.degradation_corpus",
    "DemoConfig": "runs.demo",
    "DiscriminatorConfig": "models.soundstream.config",
    "DistanceConfig": "runs.distance",
    "EvaluatorConfig": "evaluation.config",
    "GenerateConfig": "runs.generate",
    "ImportPreferencesConfig": "runs.import_preferences",
    "LearnerConfig": "learning.config",
    "ManifestConfig": "runs.audio_manifest",
    "MeshConfig": "core.sharding",
    "MulanConfig": "models.mulan.config",
    "MusicLMConfig": "models.musiclm.config",
    "PlanConfig": "runs.plan_config",
    "PreferenceAblationsConfig": "runs.preference_ablations",
    "PreferenceConfig": "models.preference.config",
    "PopulationConfig": "synthesis.simulated_population",
    "PopulationJudgeConfig": "runs.population",
    "PretrainAttributesConfig": "runs.pretrain_attributes",
    "PretrainCodecConfig": "runs.pretrain_codec",
    "PretrainConfig": "pretraining.config",
    "PretrainMulanConfig": "runs.pretrain_mulan",
    "PretrainMusicLMConfig": "runs.pretrain_musiclm",
    "PretrainPreferenceConfig": "runs.pretrain_preference",
    "PretrainQualityConfig": "runs.pretrain_quality",
    "PretrainSemanticConfig": "runs.pretrain_semantic",
    "PretrainSoundStreamConfig": "runs.pretrain_soundstream",
    "ProbeConfig": "runs.probe",
    "PretrainSoundStormConfig": "runs.pretrain_soundstorm",
    "QualityConfig": "models.quality.config",
    "RewardConfig": "runs.run_config",
    "RunConfig": "runs.run_config",
    "SelectionConfig": "data.preference_choices",
    "SemanticConfig": "models.semantic.config",
    "SimulatedPreferencesConfig": "runs.simulated_preferences",
    "SimulatedRatersConfig": "synthesis.simulated_raters",
    "SoundStreamConfig": "models.soundstream.config",
    "SoundStreamLossConfig": "models.soundstream.config",
    "SoundStormConfig": "models.soundstorm.config",
    "StarterConfig": "runs.starter",
    "Stream": "core.layout",
    "StudyAnalysisConfig": "runs.study_analysis",
    "StudyPanelConfig": "runs.study_panel",
    "StudyPlanConfig": "runs.study_plan",
    "TokenLayout": "core.layout",
    "TokenizeCorpusConfig": "runs.tokenize_corpus",
    "TraitConfig": "runs.trait_clips",
    "make_layout": "models.musiclm.config",
}


def load(name: str) -> Callable[..., Any]:
    """Imports and returns the configurable `name`."""
    return getattr(importlib.import_module(full_module(name)), name)


def full_module(name: str) -> str:
    """Returns the dotted module of the configurable `name`."""
    return f"musicrl_jax.{CONFIGURABLES[name]}"


def function(command: str) -> Callable[..., Any]:
    """Imports and returns what `command` runs."""
    entry = COMMANDS[command]
    module = importlib.import_module(f"musicrl_jax.{entry.module}")
    return getattr(module, entry.function)


def check_known(name: str, place: str) -> None:
    """Refuses names outside the table.

    Raises:
      InputError: `name` is not bindable; names the ones that are.
    """
    if name not in CONFIGURABLES:
        raise errors.InputError(
            f"Gin may bind {', '.join(sorted(CONFIGURABLES))}; "
            f"{place} speaks of {name!r}. Correct the name."
        )
