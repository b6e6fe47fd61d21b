"""Trains all networks of the starter model and writes them where the package looks.

Required: nothing. Commonly overridden: `StarterConfig.run_dir`, `.num_clips`,
`.codec_steps`, `.musiclm_steps` (more of each where there is time or an accelerator).

The chain: corpus, codec, SoundStream, SoundStorm, semantic tokenizer, more clips for
MuLan, MuLan, tokens, MusicLM, attribute judge, recordings and simulated ratings of
their degraded versions, quality estimator, assets. Each stage leaves a file; a chain
that was stopped goes on where it was, in the middle of a training run too.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

from musicrl_jax.core import errors
from musicrl_jax.data import token_cache
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.pretraining import loop
from musicrl_jax.runs import (
    chain_progress,
    corpus,
    degradation_corpus,
    pretrain_attributes,
    pretrain_codec,
    pretrain_mulan,
    pretrain_musiclm,
    pretrain_quality,
    pretrain_semantic,
    pretrain_soundstorm,
    pretrain_soundstream,
    stages,
    starter_assets,
    tokenize_corpus,
)

Training = TypeVar("Training")

COARSE_LEVELS = codec_config.CodecConfig().levels
"""Levels of the codec that MusicLM learns; SoundStorm learns those above."""

_PLACES = (
    "run_dir",
    "out",
    "out_dir",
    "manifest",
    "more_manifests",
    "networks",
    "codec",
    "tokens",
    "mulan",
    "extend",
    "ratings",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StarterConfig:
    """The starter's chain. 0 steps mean the network's own default.

    Attributes:
      run_dir: of everything that the chain makes on its way.
      assets: folder that the finished networks are copied to.
      seed: of the corpus and of every training run.
      num_clips: clips of the corpus.
      seconds: length of a clip.
      more_clips: further clips, of `more_seconds`, that MuLan alone is trained on.
      more_seconds: their length.
      rated_clips: recordings, of `rated_seconds`, that are degraded and rated.
      rated_seconds: their length.
      soundfont: a General MIDI .sf2 or .sf3 file.
      workers: rendering processes.
      coarse_steps: training steps of the codec with its coarse levels alone.
      codec_steps: of the levels that are added to it.
      soundstream_steps: of SoundStream, which nothing else is trained with.
      soundstorm_steps: of SoundStorm.
      semantic_steps: of the semantic tokenizer's masked prediction.
      tuning_steps: of its clusters.
      mulan_steps: of MuLan.
      musiclm_steps: of the language model.
      attributes_steps: of the attribute judge.
      quality_steps: of the quality estimator.
    """

    run_dir: str = "starter_run"
    assets: str = "musicrl_jax/assets/starter"
    seed: int = 0
    num_clips: int = 1500
    seconds: float = 30.0
    more_clips: int = 8000
    more_seconds: float = 10.0
    rated_clips: int = 400
    rated_seconds: float = 10.0
    soundfont: str = corpus.DEFAULT_SOUNDFONT
    workers: int = 2
    coarse_steps: int = 0
    codec_steps: int = 0
    soundstream_steps: int = 0
    soundstorm_steps: int = 0
    semantic_steps: int = 0
    tuning_steps: int = 0
    mulan_steps: int = 0
    musiclm_steps: int = 0
    attributes_steps: int = 0
    quality_steps: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_steps") and value < 0:
                raise errors.InputError(
                    f"StarterConfig.{field.name} must not be negative; got {value}."
                )


def run(config: StarterConfig, hooks: loop.Hooks | None = None) -> pathlib.Path:
    """Runs what is missing of the chain; returns the folder of the assets.

    Raises:
      InputError: where `run_dir` was begun with other settings.
      Preempted: when stopped; starting again goes on.
    """
    run_dir, hooks = pathlib.Path(config.run_dir), hooks or loop.Hooks()
    begin = None
    if hooks.progress is not None:
        shown = chain_progress.ChainProgress(hooks.progress)
        hooks, begin = dataclasses.replace(hooks, progress=shown), shown.begin
    stages.run_chain(chain(config, hooks), run_dir / "stages", begin=begin)
    sources = starter_assets.Sources(
        manifest=run_dir / "corpus" / corpus.MANIFEST,
        networks=run_dir / "networks",
        runs=run_dir,
    )
    return starter_assets.write(sources, pathlib.Path(config.assets), seed=config.seed)


def chain(
    config: StarterConfig, hooks: loop.Hooks | None = None
) -> tuple[stages.Stage, ...]:
    """Returns the stages in their order; nothing is run."""
    run_dir = pathlib.Path(config.run_dir)
    networks = run_dir / "networks"
    nets = str(networks)
    shown = _shown(hooks)
    render = functools.partial(corpus.build, report=shown)
    degrade = functools.partial(degradation_corpus.run, progress=shown)
    music, further, recordings = _corpora(config)
    data = str(run_dir / "corpus" / corpus.MANIFEST)
    more = str(run_dir / "more" / corpus.MANIFEST)
    cut = tokenize_corpus.TokenizeCorpusConfig(
        manifest=data,
        networks=nets,
        out=str(run_dir / "tokens"),
        seconds=config.seconds,
        coarse_levels=COARSE_LEVELS,
    )
    index = pathlib.Path(cut.out) / token_cache.INDEX
    train = functools.partial(_training, config, hooks)
    coarse, codec, joint = (
        str(networks / f"{x}.safetensors") for x in ("coarse", "codec", "mulan")
    )
    rated = str(run_dir / "recordings" / corpus.MANIFEST)
    degraded = _degraded(config, rated, codec)
    ratings = str(run_dir / "ratings" / degradation_corpus.RATINGS)
    lm, judge = pretrain_musiclm, pretrain_attributes
    stream = pretrain_soundstream
    fine, opinion = pretrain_soundstorm, pretrain_quality
    semantic, mulan = pretrain_semantic, pretrain_mulan
    meant = functools.partial(semantic.starter, tuning_steps=config.tuning_steps)
    return (
        _stage("corpus", music, pathlib.Path(data), render),
        train("coarse", pretrain_codec, pretrain_codec.PretrainCodecConfig, data),
        train("codec", pretrain_codec, pretrain_codec.more_levels, data, coarse=coarse),
        train("soundstream", stream, stream.starter, data),
        train("soundstorm", fine, fine.PretrainSoundStormConfig, data, networks=nets),
        train("semantic", semantic, meant, data),
        _stage("more", further, pathlib.Path(more), render),
        train("mulan", mulan, mulan.PretrainMulanConfig, data, more_manifests=(more,)),
        _stage("tokens", cut, index, _tokenize(hooks)),
        train("musiclm", lm, lm.PretrainMusicLMConfig, tokens=cut.out, mulan=joint),
        train("attributes", judge, judge.PretrainAttributesConfig, data, codec=codec),
        _stage("recordings", recordings, pathlib.Path(rated), render),
        _stage("ratings", degraded, pathlib.Path(ratings), degrade),
        train("quality", opinion, opinion.PretrainQualityConfig, ratings=ratings),
    )


def _shown(hooks: loop.Hooks | None) -> Callable[[int, int], None] | None:
    """Returns the progress of work that has no figures."""
    progress = hooks.progress if hooks else None
    return None if progress is None else lambda done, total: progress(done, total, {})


def _tokenize(hooks: loop.Hooks | None) -> Callable[..., object]:
    progress = hooks.progress if hooks else None
    return functools.partial(tokenize_corpus.run, progress=progress)


def _corpora(
    config: StarterConfig,
) -> tuple[corpus.CorpusConfig, corpus.CorpusConfig, corpus.CorpusConfig]:
    """Returns the corpus, further clips for MuLan, and recordings to degrade."""
    run_dir = pathlib.Path(config.run_dir)
    music = corpus.CorpusConfig(
        out_dir=str(run_dir / "corpus"),
        num_clips=config.num_clips,
        seconds=config.seconds,
        seed=config.seed,
        soundfont=config.soundfont,
        workers=config.workers,
    )
    # Another seed gives other clips than those that are held out.
    further = dataclasses.replace(
        music,
        out_dir=str(run_dir / "more"),
        num_clips=config.more_clips,
        seconds=config.more_seconds,
        seed=config.seed + 1,
    )
    recordings = dataclasses.replace(
        music,
        out_dir=str(run_dir / "recordings"),
        num_clips=config.rated_clips,
        seconds=config.rated_seconds,
        seed=config.seed + 11,
    )
    return music, further, recordings


def _degraded(
    config: StarterConfig, rated: str, codec: str
) -> degradation_corpus.DegradationCorpusConfig:
    """Returns how the recordings are degraded and rated."""
    return degradation_corpus.DegradationCorpusConfig(
        manifest=rated,
        out_dir=str(pathlib.Path(config.run_dir) / "ratings"),
        codec=codec,
        seconds=config.rated_seconds,
        seed=config.seed,
    )


def _training(
    config: StarterConfig,
    hooks: loop.Hooks | None,
    name: str,
    module: Any,  # noqa: ANN401 - one of `runs.pretrain_*`
    make: Callable[..., Any],
    manifest: str = "",
    **fields: str | tuple[str, ...],
) -> stages.Stage:
    """Returns the stage that trains one network with `module.run`."""
    run_dir = pathlib.Path(config.run_dir)
    out = run_dir / "networks" / f"{name}.safetensors"
    fields |= {"run_dir": str(run_dir / name), "out": str(out)}
    fields |= {"manifest": manifest} if manifest else {}
    settings = _seeded(make(**fields), getattr(config, f"{name}_steps"), config.seed)
    return _stage(name, settings, out, functools.partial(module.run, hooks=hooks))


def _seeded(settings: Training, steps: int, seed: int) -> Training:
    """Returns a training run with its steps and seed; 0 steps keep the default."""
    fields: Any = settings
    pretrain = dataclasses.replace(
        fields.pretrain,
        steps=steps or fields.pretrain.steps,
        seed=fields.pretrain.seed + seed,
    )
    return dataclasses.replace(fields, pretrain=pretrain)


def _stage(
    name: str,
    settings: stages.Settings,
    output: pathlib.Path,
    run: Callable[..., object],
) -> stages.Stage:
    # Where things lie does not change what they are, so a run may be moved.
    described = {
        field: value
        for field, value in dataclasses.asdict(settings).items()
        if not (field in _PLACES and isinstance(value, str | tuple))
        and field != "workers"
    }
    return stages.Stage(
        name=name,
        output=output,
        settings=described,
        run=functools.partial(run, settings),
    )
