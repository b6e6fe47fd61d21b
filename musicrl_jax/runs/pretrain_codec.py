"""Trains the codec on a corpus and writes its weights.

Required: `PretrainCodecConfig.manifest` (see `runs.corpus`), `.run_dir`, `.out`.
Commonly overridden: `PretrainConfig.steps`, `CodecConfig.width`, `.levels`.

The starter's codec: 16 crops of 1.92 s a step, about 0.25 s a step on two CPU cores.
A run that was stopped goes on from its newest checkpoint in `run_dir`, where
reconstructions of held-out clips lie in `samples`.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from musicrl_jax.audio import spectrogram
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, protocols
from musicrl_jax.data import crops, held_out, manifest
from musicrl_jax.models.codec import adapter, extension, losses, objective
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step
from musicrl_jax.pretraining import objective as objective_lib
from musicrl_jax.runs import training, warm_start

HEARD_CLIPS = 2
FINE_LEVELS = 12
"""Levels of the starter's codec, coarse and fine."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainCodecConfig:
    """A codec training run.

    Attributes:
      manifest: JSON lines file of the corpus.
      run_dir: checkpoints, metrics and samples; see `runs.training`.
      out: the safetensors file to write.
      extend: a trained codec whose encoder and levels are kept and get levels added,
        so that its tokens stay; empty to train from scratch.
      codec: sizes of the codec.
      loss: how it is trained.
      pretrain: steps, learning rate, checkpoints.
      batch_size: crops of a step.
      crop_frames: code frames of a crop.
      held_out_clips: held-out clips that checkpoints are measured on, each as long as
        a crop at least.
      in_memory_gb: a training split that takes more is read from its files as needed.
    """

    manifest: str
    run_dir: str
    out: str
    extend: str = ""
    codec: codec_config.CodecConfig = dataclasses.field(
        default_factory=codec_config.CodecConfig
    )
    loss: codec_config.CodecLossConfig = dataclasses.field(
        default_factory=codec_config.CodecLossConfig
    )
    pretrain: pretrain_config.PretrainConfig = dataclasses.field(
        default_factory=lambda: pretrain_config.PretrainConfig(
            steps=3000,
            learning_rate=2e-3,
            warmup_steps=100,
            average_decay=0.99,
            save_every=500,
        )
    )
    batch_size: int = 16
    crop_frames: int = 48
    held_out_clips: int = 12
    in_memory_gb: float = 4.0


def more_levels(
    coarse: str, manifest: str, run_dir: str, out: str
) -> PretrainCodecConfig:
    """Returns the run that adds the starter's fine levels to a codec."""
    return PretrainCodecConfig(
        manifest=manifest,
        run_dir=run_dir,
        out=out,
        extend=coarse,
        codec=codec_config.CodecConfig(levels=FINE_LEVELS),
        loss=codec_config.CodecLossConfig(dropout=0.6),
        pretrain=pretrain_config.PretrainConfig(
            steps=3000, learning_rate=1e-3, average_decay=0.99, save_every=250
        ),
    )


def run(config: PretrainCodecConfig, hooks: loop.Hooks | None = None) -> pathlib.Path:
    """Trains, exports, and returns the weights file.

    Raises:
      InputError: for a corpus that cannot be read.
      Preempted: when stopped; the state is saved.
    """
    hooks = hooks or loop.Hooks()
    corpus = manifest.read_manifest(pathlib.Path(config.manifest))
    rate = config.codec.sample_rate_hz
    run_dir = pathlib.Path(config.run_dir)
    cut = crops.CropConfig(
        crop=config.crop_frames * config.codec.samples_per_frame,
        batch_size=config.batch_size,
        seed=config.pretrain.seed,
        in_memory_gb=config.in_memory_gb,
    )
    reader = crops.open_reader(
        corpus.of_split("train"), rate, cut, listed=run_dir / "unreadable.jsonl"
    )
    measured = held_out.load(
        corpus,
        rate,
        count=config.held_out_clips,
        shortest=cut.crop,
        listed=run_dir / "held_out_left_out.jsonl",
    )
    codec = adapter.make_codec(config.codec)
    kind = _kind(config)
    clips = _beginnings(codec, measured)

    def evaluate(state: step.PretrainState) -> Mapping[str, float]:
        scores = reconstruction_scores(codec, kind.export(state), clips)
        return {f"held_out/{name}": value for name, value in scores.items()}

    def sample(state: step.PretrainState) -> protocols.Samples:
        return _reconstructions(codec, kind.export(state), clips[:HEARD_CLIPS])

    state = training.train(
        kind.objective,
        reader,
        config.pretrain,
        config.run_dir,
        dataclasses.replace(hooks, evaluate=evaluate, sample=sample),
        functools.partial(warm_start.begin, change=kind.begin),
    )
    out = pathlib.Path(config.out)
    weights.save_weights(
        out, kind.export(state), "codec", dataclasses.asdict(config.codec)
    )
    return out


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Kind:
    """What differs between a new codec and one that gets levels added."""

    objective: objective_lib.Objective
    begin: warm_start.Begin
    export: Callable[[step.PretrainState], arrays.Params]


def _kind(config: PretrainCodecConfig) -> _Kind:
    sizes = {"config": config.codec, "loss_config": config.loss}
    if not config.extend:
        return _Kind(
            objective=objective.CodecObjective(**sizes),
            begin=lambda params, statistics: (params, statistics),
            export=exported,
        )
    trained, params = load(pathlib.Path(config.extend))
    return _Kind(
        objective=extension.FineLevelsObjective(kept=trained.config.levels, **sizes),
        begin=functools.partial(extension.begin, trained=params),
        export=lambda state: extension.export_params(
            step.trained_params(state), state.statistics
        ),
    )


def load(path: pathlib.Path) -> tuple[adapter.SpectralCodec, arrays.Params]:
    """Returns the codec and parameters of a weights file.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    return weights.load_network(path, "codec", make, _abstract_params)


def check(path: pathlib.Path) -> None:
    """Refuses what `load` would, without reading the parameters."""
    weights.check_network(path, "codec", make, _abstract_params)


def make(fields: Mapping[str, Any]) -> adapter.SpectralCodec:
    """Returns the codec whose configuration a weights file holds."""
    return adapter.make_codec(codec_config.CodecConfig(**fields))


def _abstract_params(codec: adapter.SpectralCodec) -> arrays.Params:
    return adapter.abstract_params(codec.config)


def exported(state: step.PretrainState) -> arrays.Params:
    """Returns the parameters that the codec uses, from a training state."""
    return adapter.export_params(step.trained_params(state), state.statistics)


def reconstruction_scores(
    codec: adapter.SpectralCodec,
    params: arrays.Params,
    waveform: Float[np.ndarray, "b n"],
) -> dict[str, float]:
    """Returns how far the codec's reconstruction is from clips.

    `mel_l1`: mean |difference| of natural-log mel (80 bands, 1024/256, floor 1e-4);
    `lsd_db`: log-spectral distance in dB; `mel_l1/levels_i`: with the first i levels.
    """
    codes = codec.encode(params, jnp.asarray(waveform))
    scores = {}
    for levels in range(1, codes.shape[-1] + 1):
        decoded = codec.decode(params, codes[..., :levels])
        distance, lsd = distances(jnp.asarray(waveform), decoded)
        scores[f"mel_l1/levels_{levels}"] = float(distance)
        scores |= {"mel_l1": float(distance), "lsd_db": float(lsd)}
    return scores


@jax.jit
def distances(
    target: Float[Array, "b n"], estimate: Float[Array, "b n"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the distances of log-mel spectrograms and of log magnitudes (dB)."""
    mel = spectrogram.MelConfig()
    distance = losses.log_magnitude_distance(
        spectrogram.log_mel(target, mel), spectrogram.log_mel(estimate, mel)
    )
    lsd = losses.log_spectral_distance(
        spectrogram.stft_magnitude(target, mel.fft_size, mel.hop),
        spectrogram.stft_magnitude(estimate, mel.fft_size, mel.hop),
    )
    return distance, lsd


def _beginnings(
    codec: adapter.SpectralCodec, clips: Sequence[np.ndarray]
) -> Float[np.ndarray, "b n"]:
    """Returns the first ten seconds of clips, as whole code frames."""
    frame = codec.samples_per_frame
    shortest = min(len(clip) for clip in clips)
    length = min(shortest, 10 * codec.sample_rate_hz) // frame * frame
    return np.stack([crops.to_float(clip[:length]) for clip in clips])


def _reconstructions(
    codec: adapter.SpectralCodec,
    params: arrays.Params,
    clips: Float[np.ndarray, "b n"],
) -> protocols.Samples:
    """Returns recordings and what the codec makes of them."""
    decoded = codec.decode(params, codec.encode(params, jnp.asarray(clips)))
    sounds: dict[str, np.ndarray] = {}
    for number, (clip, made) in enumerate(zip(clips, decoded, strict=True)):
        sounds[f"clip_{number}/recording"] = clip
        sounds[f"clip_{number}/reconstruction"] = np.asarray(made)
    return protocols.Samples(waveforms=sounds, sample_rate_hz=codec.sample_rate_hz)
