"""Trains SoundStream on a corpus and writes its weights.

Required: `PretrainSoundStreamConfig.manifest`, `.run_dir`, `.out`.
Commonly overridden: `PretrainConfig.steps`, `SoundStreamConfig.width`, `.levels`,
`AdversarialConfig.discriminator_start`.

A run that was stopped goes on from its newest checkpoint in `run_dir`. A waveform codec
needs hours on a CPU; the spectral family (`pretrain codec`) needs minutes.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from musicrl_jax.audio import distortion
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors, sharding
from musicrl_jax.data import crops, held_out, manifest
from musicrl_jax.models.soundstream import adapter, objective
from musicrl_jax.models.soundstream import config as soundstream_config
from musicrl_jax.nn import quantizer
from musicrl_jax.pretraining import adversarial, adversarial_config, loop
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.runs import pretrain_codec, training

NETWORK = "soundstream"
_SECONDS = 10
_BY_LEVELS = ("si_sdr_db", "mel_l1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainSoundStreamConfig:
    """A SoundStream training run.

    Attributes:
      manifest: JSON lines file of the corpus.
      run_dir: checkpoints and metrics.
      out: the safetensors file to write.
      codec: sizes of the codec.
      discriminators: their sizes.
      loss: how the codec is trained.
      pretrain: steps, learning rate, checkpoints.
      adversarial: of the discriminators' side.
      batch_size: crops of a step.
      crop_frames: code frames of a crop.
      held_out_clips: held-out clips that checkpoints are measured on, each as long as
        a crop at least.
      in_memory_gb: a training split that takes more is read from its files as needed.
    """

    manifest: str
    run_dir: str
    out: str
    codec: soundstream_config.SoundStreamConfig = dataclasses.field(
        default_factory=soundstream_config.SoundStreamConfig
    )
    discriminators: soundstream_config.DiscriminatorConfig = dataclasses.field(
        default_factory=soundstream_config.DiscriminatorConfig
    )
    loss: soundstream_config.SoundStreamLossConfig = dataclasses.field(
        default_factory=soundstream_config.SoundStreamLossConfig
    )
    pretrain: pretrain_config.PretrainConfig = dataclasses.field(
        default_factory=lambda: pretrain_config.PretrainConfig(
            steps=300_000, learning_rate=3e-4, average_decay=0.999, save_every=1000
        )
    )
    adversarial: adversarial_config.AdversarialConfig = dataclasses.field(
        default_factory=adversarial_config.AdversarialConfig
    )
    batch_size: int = 16
    crop_frames: int = 50
    held_out_clips: int = 8
    in_memory_gb: float = 4.0

    def __post_init__(self) -> None:
        longest = max((*self.loss.mel_windows, *self.discriminators.stft_windows))
        samples = self.crop_frames * self.codec.samples_per_frame
        if samples < longest:
            raise errors.InputError(
                f"A crop must be as long as the longest window, {longest} samples; "
                f"{self.crop_frames} frames have {samples}. Set "
                "PretrainSoundStreamConfig.crop_frames."
            )


def starter(manifest: str, run_dir: str, out: str) -> PretrainSoundStreamConfig:
    """Returns the run of the starter's small SoundStream, without discriminators."""
    steps = 5000
    return PretrainSoundStreamConfig(
        manifest=manifest,
        run_dir=run_dir,
        out=out,
        codec=soundstream_config.SoundStreamConfig(
            sample_rate_hz=16_000,
            width=16,
            strides=(4, 4, 5, 8),
            dilations=(1, 3),
            kernel=5,
            codebook_size=256,
            code_width=64,
        ),
        discriminators=soundstream_config.DiscriminatorConfig(
            stft_windows=(1024, 256), stft_width=8
        ),
        loss=soundstream_config.SoundStreamLossConfig(
            waveform_weight=1.0, mel_windows=(128, 512, 2048)
        ),
        pretrain=pretrain_config.PretrainConfig(
            steps=steps,
            learning_rate=1e-3,
            warmup_steps=200,
            average_decay=0.999,
            save_every=250,
        ),
        adversarial=adversarial_config.AdversarialConfig(discriminator_start=steps),
        batch_size=8,
        crop_frames=24,
    )


def run(
    config: PretrainSoundStreamConfig, hooks: loop.Hooks | None = None
) -> pathlib.Path:
    """Trains, exports, and returns the weights file.

    Raises:
      InputError: for a corpus that cannot be read.
      Preempted: when stopped; the state is saved.
    """
    hooks = hooks or loop.Hooks()
    corpus = manifest.read_manifest(pathlib.Path(config.manifest))
    rate = config.codec.sample_rate_hz
    run_dir = pathlib.Path(config.run_dir)
    crop = config.crop_frames * config.codec.samples_per_frame
    reader = crops.open_reader(
        corpus.of_split("train"),
        rate,
        crops.CropConfig(
            crop=crop,
            batch_size=config.batch_size,
            seed=config.pretrain.seed,
            in_memory_gb=config.in_memory_gb,
        ),
        listed=run_dir / "unreadable.jsonl",
    )
    measured = held_out.load(
        corpus,
        rate,
        count=config.held_out_clips,
        shortest=crop,
        listed=run_dir / "held_out_left_out.jsonl",
    )
    codec = adapter.make_codec(config.codec)
    state = training.train_with(
        make_step(config),
        reader,
        config.pretrain,
        config.run_dir,
        dataclasses.replace(
            hooks, evaluate=functools.partial(_evaluate_state, codec, measured)
        ),
    )
    out = pathlib.Path(config.out)
    weights.save_weights(
        out, exported(state), NETWORK, dataclasses.asdict(config.codec)
    )
    return out


def make_step(config: PretrainSoundStreamConfig) -> adversarial.AdversarialStep:
    """Returns the compiled update of a run."""
    return adversarial.AdversarialStep(
        objective=objective.SoundStreamObjective(
            config=config.codec,
            loss_config=config.loss,
            discriminators=config.discriminators,
        ),
        config=config.pretrain,
        adversarial=config.adversarial,
        mesh=sharding.make_mesh(config.pretrain.mesh),
    )


def load(path: pathlib.Path) -> tuple[adapter.SoundStream, arrays.Params]:
    """Returns the codec and parameters of a weights file.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    return weights.load_network(path, NETWORK, make, _abstract_params)


def check(path: pathlib.Path) -> None:
    """Refuses what `load` would, without reading the parameters."""
    weights.check_network(path, NETWORK, make, _abstract_params)


def make(fields: Mapping[str, Any]) -> adapter.SoundStream:
    """Returns the codec whose configuration a weights file holds."""
    return adapter.make_codec(soundstream_config.from_fields(fields))


def _abstract_params(codec: adapter.SoundStream) -> arrays.Params:
    return adapter.abstract_params(codec.config)


def exported(state: adversarial.AdversarialState) -> arrays.Params:
    """Returns the parameters that the codec uses, from a training state."""
    return adapter.export_params(adversarial.trained_params(state), state.statistics)


def reconstruction_scores(
    codec: adapter.SoundStream,
    params: arrays.Params,
    waveform: Float[np.ndarray, "b n"],
) -> dict[str, float]:
    """Returns how far the codec's reconstruction is from clips, and at which rate.

    `si_sdr_db` (mean over clips), `mel_l1` and `lsd_db` as of `pretrain_codec`, with
    all levels and, as `.../levels_i`, with the first i; `perplexity/level_i` of the
    codes; `bits_per_second`.
    """
    codes = codec.encode(params, jnp.asarray(waveform))
    scores: dict[str, float] = {"bits_per_second": codec.config.bits_per_second}
    for levels in level_counts(codec.config.levels):
        vectors = codec.vectors(params, codes[..., :levels])
        decoded = codec.synthesize(params, vectors)
        distance, lsd = pretrain_codec.distances(jnp.asarray(waveform), decoded)
        ratio = distortion.si_sdr_db(waveform, np.asarray(decoded)).mean()
        scores |= {"si_sdr_db": float(ratio), "mel_l1": float(distance)}
        scores |= {f"{name}/levels_{levels}": scores[name] for name in _BY_LEVELS}
        scores["lsd_db"] = float(lsd)
    counts = [
        np.bincount(level.ravel(), minlength=codec.config.codebook_size)
        for level in np.moveaxis(np.asarray(codes), -1, 0)
    ]
    used = jnp.asarray(np.stack(counts), jnp.float32)
    for level, value in enumerate(quantizer.perplexity(used)):
        scores[f"perplexity/level_{level}"] = float(value)
    return scores


def level_counts(levels: int) -> Sequence[int]:
    """Returns the numbers of levels to measure: powers of two, and all."""
    powers = (2**i for i in range(levels.bit_length()))
    return sorted({*(count for count in powers if count < levels), levels})


def _evaluate_state(
    codec: adapter.SoundStream,
    clips: list[np.ndarray],
    state: adversarial.AdversarialState,
) -> Mapping[str, float]:
    """Measures the exported parameters on the first ten seconds of clips, if any."""
    if not clips:
        return {}
    length = min(_SECONDS * codec.sample_rate_hz, *(len(clip) for clip in clips))
    waveform = np.stack([crops.to_float(clip[:length]) for clip in clips])
    waveform = codec.checked(waveform, codec.sample_rate_hz)
    scores = reconstruction_scores(codec, exported(state), waveform)
    return {f"held_out/{name}": value for name, value in scores.items()}
