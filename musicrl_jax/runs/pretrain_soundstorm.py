"""Trains SoundStorm on a corpus and writes its weights.

Required: `PretrainSoundStormConfig.manifest` (see `runs.corpus`), `.networks` (a folder
with the codec's weights), `.run_dir`, `.out`. Commonly overridden:
`PretrainConfig.steps`, `SoundStormConfig.width`.

The corpus is encoded once, into `run_dir/codes`. The weights are written at every
checkpoint; a run that was stopped goes on from its newest one in `run_dir`.
"""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors, rng
from musicrl_jax.data import code_cache
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.soundstorm import adapter, objective
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.models.soundstorm import warm_start as soundstorm_start
from musicrl_jax.models.soundstream import config as soundstream_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step
from musicrl_jax.runs import code_corpus, soundstorm_figures, training, warm_start

CodecConfig = codec_config.CodecConfig | soundstream_config.SoundStreamConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainSoundStormConfig:
    """A training run of SoundStorm.

    Attributes:
      manifest: JSON lines file of the corpus.
      networks: folder of the codec's weights (and the semantic tokenizer's, if read).
      run_dir: codes, checkpoints and metrics.
      out: the safetensors file to write; its figures lie beside it as JSON.
      soundstorm: sizes of the network.
      decoding: how it decodes, stored with the weights.
      pretrain: steps, learning rate, averaging, checkpoints.
      seconds: the beginning of each clip that is used; shorter clips are left out.
      batch_size: crops of a step.
      crop_frames: code steps of a crop.
      codebook_start: whether tables and heads begin as the codec's entries.
      level_decay: how likely a fine level is trained over the one below it.
      held_out_clips: held-out clips that checkpoints are measured on.
      held_out_seconds: how much of each.
    """

    manifest: str
    networks: str
    run_dir: str
    out: str
    soundstorm: soundstorm_config.SoundStormConfig = dataclasses.field(
        default_factory=lambda: soundstorm_config.SoundStormConfig(window_frames=200)
    )
    decoding: soundstorm_config.DecodingConfig = dataclasses.field(
        default_factory=soundstorm_config.DecodingConfig
    )
    pretrain: pretrain_config.PretrainConfig = dataclasses.field(
        default_factory=lambda: pretrain_config.PretrainConfig(
            steps=2000,
            learning_rate=2e-3,
            warmup_steps=100,
            average_decay=0.99,
            save_every=250,
        )
    )
    seconds: float = 30.0
    batch_size: int = 16
    crop_frames: int = 200
    codebook_start: bool = True
    level_decay: float = 0.9
    held_out_clips: int = 12
    held_out_seconds: float = 10.0

    def __post_init__(self) -> None:
        if min(self.batch_size, self.crop_frames, self.held_out_clips) < 1:
            raise errors.InputError(
                "PretrainSoundStormConfig needs batch_size, crop_frames and "
                f"held_out_clips of 1 or more; got {self.batch_size}, "
                f"{self.crop_frames} and {self.held_out_clips}."
            )
        if not 0 < self.held_out_seconds <= self.seconds:
            raise errors.InputError(
                "PretrainSoundStormConfig needs 0 < held_out_seconds <= seconds; got "
                f"{self.held_out_seconds} and {self.seconds}."
            )


def run(
    config: PretrainSoundStormConfig, hooks: loop.Hooks | None = None
) -> pathlib.Path:
    """Trains, exports at every checkpoint, and returns the weights file.

    Raises:
      InputError: for a corpus or networks that cannot be read or do not fit.
      Preempted: when stopped; the state is saved.
    """
    encoder = _encoder(config)
    run_dir = pathlib.Path(config.run_dir)
    cache = code_corpus.build(
        encoder, pathlib.Path(config.manifest), run_dir / "codes", config.seconds
    )
    trainer = objective.SoundStormObjective(
        config=config.soundstorm, level_decay=config.level_decay
    )
    stage = adapter.make_soundstorm(config.soundstorm, config.decoding)
    held_out = _held_out(config, encoder, cache)

    def evaluate_and_export(state: step.PretrainState) -> Mapping[str, float]:
        figures = held_out.figures(stage, step.trained_params(state))
        figures = {f"held_out/{name}": value for name, value in figures.items()}
        export(config, state, figures)
        return figures

    hooks = dataclasses.replace(hooks or loop.Hooks(), evaluate=evaluate_and_export)
    batches = code_cache.CodeBatches(
        cache=cache,
        clips=np.flatnonzero(cache.where("train")).tolist(),
        batch_size=config.batch_size,
        frames=config.crop_frames,
        seed=config.pretrain.seed,
    )
    start = _start(config, encoder.codec_params["codebooks"])
    state = training.train(
        trainer, batches, config.pretrain, config.run_dir, hooks, start
    )
    out = pathlib.Path(config.out)
    if not out.is_file():
        evaluate_and_export(state)
    return out


def _encoder(config: PretrainSoundStormConfig) -> code_corpus.Encoder:
    """Reads the networks that make the codes; refuses those that do not fit."""
    semantic = config.soundstorm.semantic_size
    encoder = code_corpus.load(
        pathlib.Path(config.networks), with_semantic=bool(semantic)
    )
    check_codec(config.soundstorm, encoder.codec.config)
    if semantic != encoder.clusters:
        raise errors.InputError(
            "SoundStormConfig.semantic_size must be the tokenizer's "
            f"{encoder.clusters} clusters; got {semantic}."
        )
    return encoder


def _begin(
    codebooks: Float[Array, "l v e"],
    seed: int,
    params: arrays.Params,
    statistics: arrays.Params,
) -> tuple[arrays.Params, arrays.Params]:
    """Returns first parameters whose tables and heads are the codec's entries."""
    key = rng.stream(jax.random.key(seed), "codebooks")
    return soundstorm_start.with_codebooks(params, codebooks, key), statistics


def export(
    config: PretrainSoundStormConfig,
    state: step.PretrainState,
    figures: Mapping[str, float | int],
) -> None:
    """Writes the weights and their figures; each file appears whole."""
    described = {
        "soundstorm": dataclasses.asdict(config.soundstorm),
        "decoding": dataclasses.asdict(config.decoding),
    }
    out = pathlib.Path(config.out)
    weights.save_weights(out, step.trained_params(state), "soundstorm", described)
    rows = {"step": int(state.step)} | dict(figures)
    out.with_suffix(".json").write_text(json.dumps(rows, indent=1), "utf-8")


def load(
    path: pathlib.Path, codec: CodecConfig | None = None
) -> tuple[adapter.SoundStorm, arrays.Params]:
    """Returns the fine stage and parameters of a weights file.

    Raises:
      InputError: where the file is damaged, of another network or for another codec
        than `codec`.
    """
    stage, params = weights.load_network(
        path, "soundstorm", make, lambda stage: stage.abstract_params()
    )
    if codec is not None:
        check_codec(stage.config, codec)
    return stage, params


def make(fields: Mapping[str, Any]) -> adapter.SoundStorm:
    """Returns the fine stage whose configuration a weights file holds."""
    return adapter.make_soundstorm(
        soundstorm_config.SoundStormConfig(**fields["soundstorm"]),
        soundstorm_config.DecodingConfig.from_json(fields["decoding"]),
    )


def check_codec(sizes: soundstorm_config.SoundStormConfig, codec: CodecConfig) -> None:
    """Refuses a SoundStorm whose codes are not the codec's.

    Raises:
      InputError: levels or entries differ.
    """
    wanted = (codec.levels, codec.codebook_size)
    if (sizes.levels, sizes.codebook_size) != wanted:
        raise errors.InputError(
            f"SoundStormConfig.levels and .codebook_size must be the codec's {wanted}; "
            f"got {(sizes.levels, sizes.codebook_size)}. Train one for this codec."
        )


def _start(
    config: PretrainSoundStormConfig, codebooks: Float[Array, "l v e"]
) -> Callable[[step.PretrainState], step.PretrainState] | None:
    """Returns what makes the first state, or None for one that is random."""
    if not config.codebook_start:
        return None
    change = functools.partial(_begin, codebooks, config.pretrain.seed)
    return functools.partial(warm_start.begin, change=change)


def _held_out(
    config: PretrainSoundStormConfig,
    encoder: code_corpus.Encoder,
    cache: code_cache.CodeCache,
) -> soundstorm_figures.HeldOut:
    """Returns clips that are not trained on, where the corpus has any."""
    clips = np.flatnonzero(~cache.where("train"))
    if not clips.size:
        clips = np.arange(len(cache.rows))
    rate = encoder.codec.sample_rate_hz / encoder.codec.samples_per_frame
    return soundstorm_figures.read(
        encoder,
        cache,
        clips[: config.held_out_clips].tolist(),
        max(1, round(config.held_out_seconds * rate)),
        config.soundstorm.coarse_levels,
    )
