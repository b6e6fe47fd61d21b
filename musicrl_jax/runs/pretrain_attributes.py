"""Trains the attribute classifier, the judge that no policy is trained on.

Required: `PretrainAttributesConfig.manifest`, `.run_dir`, `.out`.
Commonly overridden: `.codec` (weights whose reconstructions join the training data, so
that the judge still hears through a codec), `.attributes`, `PretrainConfig.steps`.

It shares nothing with the MuLan reward: labels and no captions, spectrogram,
architecture, crops and seed of its own. Unlike every other network it also hears every
second clip of the attribute combinations that are held out: a judge that never met them
would take a new combination for a known one. The other half tests it.
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from musicrl_jax.audio import spectrogram
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors
from musicrl_jax.data import labelled_mels, manifest, mel_batches
from musicrl_jax.evaluation import prompts
from musicrl_jax.models.attributes import adapter, objective
from musicrl_jax.models.attributes import config as attributes_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step
from musicrl_jax.runs import mel_corpus, reconstruction, training

NETWORK = "attributes"
STARTER_TRAINING = pretrain_config.PretrainConfig(
    steps=900, learning_rate=3e-3, warmup_steps=50, average_decay=0.98, seed=90_001
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainAttributesConfig:
    """One training run of the attribute classifier.

    Attributes:
      manifest: JSON lines file of the corpus.
      run_dir: checkpoints and metrics; a run that was stopped goes on there.
      out: the safetensors file to write; its config holds the labels.
      codec: weights file of a codec; None trains on recordings alone.
      attributes: manifest attributes to tell.
      pretrain: steps, learning rate, checkpoints, seed.
      batch_size: crops of a step.
      crop_seconds: crop lengths; each step takes one.
      reconstructed_clips: training clips that are sent through the codec.
      reconstructed_seconds: of each of them.
    """

    manifest: str
    run_dir: str
    out: str
    codec: str | None = None
    attributes: tuple[str, ...] = ("genre", "lead_instrument")
    pretrain: pretrain_config.PretrainConfig = STARTER_TRAINING
    batch_size: int = 32
    crop_seconds: tuple[float, ...] = (5.0, 7.5, 10.0)
    reconstructed_clips: int = 600
    reconstructed_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not self.attributes or not self.crop_seconds or min(self.crop_seconds) <= 0:
            raise errors.InputError(
                "PretrainAttributesConfig needs attributes and positive crop_seconds; "
                f"got {self.attributes} and {self.crop_seconds}."
            )
        if max(self.crop_seconds) > self.reconstructed_seconds:
            raise errors.InputError(
                "PretrainAttributesConfig.reconstructed_seconds must reach the longest "
                f"crop of {max(self.crop_seconds)} s; got {self.reconstructed_seconds}."
            )


def run(
    config: PretrainAttributesConfig, hooks: loop.Hooks | None = None
) -> dict[str, float]:
    """Trains, writes `config.out`; returns accuracies on held-out clips.

    Raises:
      InputError: for a corpus that cannot be read or lacks an attribute.
      Preempted: when stopped; the state is saved.
    """
    path = pathlib.Path(config.manifest)
    sizes = attributes_config.AttributesConfig(
        heads=heads(manifest.read_manifest(path).rows, config.attributes)
    )
    frames = tuple(_frames(seconds, sizes.mel) for seconds in config.crop_seconds)
    corpus = _shared(mel_corpus.load(path, sizes.mel, min_frames=max(frames)))
    recorded = _group(sizes, corpus.train, corpus.train_mels)
    groups = (recorded, *_reconstructed(config, sizes, corpus.train))
    batches = labelled_mels.LabelledMelBatches(
        groups=groups,
        batch_size=config.batch_size,
        frames=frames,
        seed=config.pretrain.seed,
    )
    trainer = objective.AttributesObjective(config=sizes)
    state = training.train(trainer, batches, config.pretrain, config.run_dir, hooks)
    params = step.trained_params(state)
    weights.save_weights(config.out, params, NETWORK, dataclasses.asdict(sizes))
    return _figures(config, adapter.make_judge(sizes), params, corpus)


def load(path: pathlib.Path) -> tuple[adapter.AttributeJudge, arrays.Params]:
    """Returns the judge and parameters of a weights file.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    return weights.load_network(
        path,
        NETWORK,
        lambda fields: adapter.make_judge(
            attributes_config.AttributesConfig.from_json(fields)
        ),
        lambda judge: judge.abstract_params(),
    )


def heads(
    rows: Sequence[manifest.ClipRow], names: Sequence[str]
) -> tuple[attributes_config.Head, ...]:
    """Returns the attributes with the values that training rows have, sorted."""
    train = [row for row in rows if row.split == "train"]
    return tuple(
        attributes_config.Head(
            name=name,
            labels=tuple(
                sorted(
                    {row.attributes[name] for row in train if name in row.attributes}
                )
            ),
        )
        for name in names
    )


def _shared(corpus: mel_corpus.MelCorpus) -> mel_corpus.MelCorpus:
    """Returns the corpus with every second clip of a new combination in training."""
    new = [
        index
        for index, row in enumerate(corpus.held_out)
        if row.split == prompts.NEW_COMBINATION
    ]
    moved = set(new[::2])
    kept = [index for index in range(len(corpus.held_out)) if index not in moved]
    return mel_corpus.MelCorpus(
        train=corpus.train + tuple(corpus.held_out[i] for i in sorted(moved)),
        train_mels=corpus.train_mels
        + tuple(corpus.held_out_mels[i] for i in sorted(moved)),
        held_out=tuple(corpus.held_out[i] for i in kept),
        held_out_mels=tuple(corpus.held_out_mels[i] for i in kept),
    )


def _frames(seconds: float, mel: spectrogram.MelConfig) -> int:
    return round(seconds * mel.sample_rate_hz) // mel.hop


def _group(
    sizes: attributes_config.AttributesConfig,
    rows: Sequence[manifest.ClipRow],
    mels: mel_batches.Mels,
) -> labelled_mels.Group:
    labels = adapter.label_ids(sizes, [row.attributes for row in rows])
    return labelled_mels.Group(mels=mels, labels=labels)


def _reconstructed(
    config: PretrainAttributesConfig,
    sizes: attributes_config.AttributesConfig,
    rows: Sequence[manifest.ClipRow],
) -> tuple[labelled_mels.Group, ...]:
    """Returns the group of clips that went through the codec, if there is one."""
    if config.codec is None:
        return ()
    generator = np.random.default_rng((config.pretrain.seed, 1))
    count = min(config.reconstructed_clips, len(rows))
    chosen = [rows[i] for i in generator.choice(len(rows), count, replace=False)]
    codec = reconstruction.load(pathlib.Path(config.codec))
    clips = reconstruction.windows(
        chosen, sizes.sample_rate_hz, config.reconstructed_seconds, generator
    )
    mels = _mels(codec(clips, generator), sizes.mel)
    return (_group(sizes, chosen, tuple(mels)),)


def _mels(
    clips: Float[np.ndarray, "b n"], config: spectrogram.MelConfig
) -> list[Float[np.ndarray, "frames m"]]:
    transform = jax.jit(lambda audio: spectrogram.log_mel(audio, config))
    return [np.asarray(transform(clip[None])[0], np.float16) for clip in clips]


def _figures(
    config: PretrainAttributesConfig,
    judge: adapter.AttributeJudge,
    params: arrays.Params,
    corpus: mel_corpus.MelCorpus,
) -> dict[str, float]:
    """Measures accuracy on held-out clips, as recorded and through the codec."""
    generator = np.random.default_rng((config.pretrain.seed, 2))
    mel = judge.config.mel
    clips = reconstruction.windows(
        corpus.held_out, mel.sample_rate_hz, max(config.crop_seconds), generator
    )
    kinds = {"recorded": clips}
    if config.codec is not None:
        kinds["codec"] = reconstruction.load(pathlib.Path(config.codec))(clips)
    figures: dict[str, float] = {}
    for kind, audio in kinds.items():
        mels = _mels(audio, mel)
        for split in sorted({row.split for row in corpus.held_out}):
            chosen = [i for i, row in enumerate(corpus.held_out) if row.split == split]
            rows = [corpus.held_out[i] for i in chosen]
            shares = _accuracy(judge, params, [mels[i] for i in chosen], rows)
            figures |= {
                f"held_out/accuracy/{kind}/{split}/{name}": share
                for name, share in shares.items()
            }
    return figures


def _accuracy(
    judge: adapter.AttributeJudge,
    params: arrays.Params,
    mels: Sequence[Float[np.ndarray, "_ m"]],
    rows: Sequence[manifest.ClipRow],
) -> dict[str, float]:
    truth = adapter.label_ids(judge.config, [row.attributes for row in rows])
    scores = jax.jit(judge.of_mel)(params, jnp.asarray(np.stack(mels), jnp.float32))
    shares = {}
    for column, head in enumerate(judge.config.heads):
        heard = np.asarray(scores[head.name]).argmax(axis=-1)
        known = truth[:, column] >= 0
        shares[head.name] = float(np.mean(heard[known] == truth[known, column]))
    return shares
