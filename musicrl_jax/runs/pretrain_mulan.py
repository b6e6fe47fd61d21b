"""Trains MuLan on a captioned corpus and writes its weights.

Required: `PretrainMulanConfig.manifest` (see `runs.corpus`), `.run_dir`, `.out`.
Commonly overridden: `PretrainConfig.steps`, `MulanConfig.audio_widths`.

Contrastive training of both towers, then the residual quantiser of the conditioning
tokens. The starter's: 64 crops of 1.7 to 10 s a step, about 0.4 s a step on two CPU
cores. A run that was stopped goes on from its newest checkpoint in `run_dir`.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors, rng
from musicrl_jax.data import mel_batches, text
from musicrl_jax.models.mulan import adapter, objective
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step
from musicrl_jax.runs import mel_corpus, mulan_figures, training


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainMulanConfig:
    """A training run of MuLan.

    Attributes:
      manifest: JSON lines file of the corpus; what is held out is held out of it.
      more_manifests: other corpora, whose clips of split "train" are trained on, too.
      run_dir: checkpoints and metrics.
      out: the safetensors file to write; its figures lie beside it as JSON.
      mulan: sizes; the vocabulary and the mel level are measured on the corpus.
      augmentation: what training changes at random.
      pretrain: steps, learning rate, checkpoints.
      batch_size: pairs of a step.
      fullest_share: share of crops whose text is the longest caption of their clip.
      grouped_by: attribute whose values group the clips; batches of few groups teach
        what tells alike clips apart. Clips without it form a group of their own.
      grouped_share: share of batches that are drawn from `groups_per_batch` groups.
      groups_per_batch: groups of such a batch.
      crop_frames: crop lengths; each step takes one of them at random. The shortest is
        the window that rewards score in clips of 5 s (a third of a clip).
      window_frames: of the windows that means, codebooks and figures are of: 10 s,
        as in the paper, where the clips are as long.
      judged_pairs: held-out pairs that recall is measured on.
      named: attributes whose bare names held-out clips have to be nearest to.
    """

    manifest: str
    run_dir: str
    out: str
    more_manifests: tuple[str, ...] = ()
    mulan: mulan_config.MulanConfig = dataclasses.field(
        default_factory=mulan_config.MulanConfig
    )
    augmentation: objective.Augmentation = dataclasses.field(
        default_factory=objective.Augmentation
    )
    pretrain: pretrain_config.PretrainConfig = dataclasses.field(
        default_factory=lambda: pretrain_config.PretrainConfig(
            steps=2500,
            learning_rate=2e-3,
            warmup_steps=100,
            weight_decay=0.05,
            save_every=250,
        )
    )
    batch_size: int = 64
    fullest_share: float = 0.5
    grouped_by: str = "genre"
    grouped_share: float = 0.7
    groups_per_batch: int = 2
    crop_frames: tuple[int, ...] = (42, 84, 136, 248)
    window_frames: int = 248
    judged_pairs: int = 256
    named: tuple[str, ...] = ("genre", "lead_instrument", "mood", "tempo", "key")

    def __post_init__(self) -> None:
        if self.batch_size < 2 or min(self.crop_frames, default=0) < 1:
            raise errors.InputError(
                "PretrainMulanConfig needs batch_size of 2 or more and positive "
                f"crop_frames; got {self.batch_size} and {self.crop_frames}."
            )


def run(config: PretrainMulanConfig, hooks: loop.Hooks | None = None) -> pathlib.Path:
    """Trains, fits the quantiser, exports, and returns the weights file.

    Raises:
      InputError: for a corpus that cannot be read.
      Preempted: when stopped; the state is saved.
    """
    corpus = mel_corpus.load(
        pathlib.Path(config.manifest),
        config.mulan.mel,
        min_frames=max(config.crop_frames),
        captioned=True,
        more=[pathlib.Path(path) for path in config.more_manifests],
    )
    _check_enough(config, corpus)
    tokenizer = text.TextTokenizer.build(
        [caption for row in corpus.train for caption in row.captions],
        width=config.mulan.text_words,
    )
    mean, deviation = corpus.level()
    sizes = dataclasses.replace(
        config.mulan,
        vocabulary_size=tokenizer.vocabulary_size,
        mel_mean=mean,
        mel_deviation=deviation,
    )
    towers = _train(config, sizes, tokenizer, corpus, hooks)
    params = _finish(config, sizes, towers, tokenizer, corpus)
    out = pathlib.Path(config.out)
    fields = dataclasses.asdict(sizes) | {"tokenizer": tokenizer.to_dict()}
    weights.save_weights(out, params, "mulan", fields)
    figures = figures_of(config, adapter.make_mulan(sizes), params, tokenizer, corpus)
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1), "utf-8")
    return out


def load(
    path: pathlib.Path,
) -> tuple[adapter.Mulan, arrays.Params, text.TextTokenizer]:
    """Returns the embedder, its parameters and the tokenizer of captions.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    (mulan, tokenizer), params = weights.load_network(
        path, "mulan", make, lambda made: made[0].abstract_params()
    )
    return mulan, params, tokenizer


def check(path: pathlib.Path) -> None:
    """Refuses what `load` would, without reading the parameters."""
    weights.check_network(path, "mulan", make, lambda made: made[0].abstract_params())


def make(fields: Mapping[str, Any]) -> tuple[adapter.Mulan, text.TextTokenizer]:
    """Returns embedder and tokenizer whose configuration a weights file holds."""
    sizes = dict(fields)
    tokenizer = text.TextTokenizer.from_dict(sizes.pop("tokenizer"))
    for name in ("audio_stem", "audio_widths"):  # JSON gives lists
        sizes[name] = tuple(sizes.get(name, ()))
    return adapter.make_mulan(mulan_config.MulanConfig(**sizes)), tokenizer


def _check_enough(config: PretrainMulanConfig, corpus: mel_corpus.MelCorpus) -> None:
    """Refuses, before training, a corpus with too few points for the codebooks."""
    shortest = min((mel.shape[0] for mel in corpus.train_mels), default=0)
    audio = len(corpus.train) * (shortest // config.window_frames)
    text_points = len({x for row in corpus.train for x in row.captions})
    points, size = 2 * min(audio, text_points), config.mulan.codebook_size
    if points < size:
        raise errors.InputError(
            f"MuLan's codebooks of {size} entries need as many windows and captions to "
            f"train on; {config.manifest} has {points}. Use more clips, or lower "
            "MulanConfig.codebook_size and MusicLMConfig.conditioning_size."
        )


def figures_of(
    config: PretrainMulanConfig,
    mulan: adapter.Mulan,
    params: arrays.Params,
    tokenizer: text.TextTokenizer,
    corpus: mel_corpus.MelCorpus,
) -> dict[str, float | int]:
    """Returns what a trained MuLan can do on the corpus's held-out clips."""
    clips = mulan_figures.windows(corpus.held_out_mels, config.window_frames)
    texts = [tokenizer.encode(list(row.captions)) for row in corpus.held_out]
    figures = mulan_figures.measure(mulan, params, clips, texts, config.judged_pairs)
    labels = {
        name: [row.attributes[name] for row in corpus.held_out]
        for name in config.named
        if all(name in row.attributes for row in corpus.held_out)
    }
    return figures | mulan_figures.named_attributes(
        mulan, params, tokenizer, clips, labels
    )


def _train(
    config: PretrainMulanConfig,
    sizes: mulan_config.MulanConfig,
    tokenizer: text.TextTokenizer,
    corpus: mel_corpus.MelCorpus,
    hooks: loop.Hooks | None,
) -> arrays.Params:
    state = training.train(
        objective.MulanObjective(config=sizes, augmentation=config.augmentation),
        mel_batches.CaptionedMelBatches(
            mels=corpus.train_mels,
            texts=[tokenizer.encode(list(row.captions)) for row in corpus.train],
            batch_size=config.batch_size,
            frames=config.crop_frames,
            seed=config.pretrain.seed,
            fullest_share=config.fullest_share,
            groups=[row.attributes.get(config.grouped_by, "") for row in corpus.train],
            groups_per_batch=config.groups_per_batch,
            grouped_share=config.grouped_share,
        ),
        config.pretrain,
        config.run_dir,
        hooks,
    )
    return step.trained_params(state)


def _finish(
    config: PretrainMulanConfig,
    sizes: mulan_config.MulanConfig,
    towers: arrays.Params,
    tokenizer: text.TextTokenizer,
    corpus: mel_corpus.MelCorpus,
) -> arrays.Params:
    """Returns the parameters with means and codebooks of all training clips."""
    mulan = adapter.make_mulan(sizes)
    key = rng.stream(jax.random.key(config.pretrain.seed), "codebooks")
    raw = mulan.init_params(key) | {"network": towers}
    clips = mulan_figures.windows(corpus.train_mels, config.window_frames)
    captions = sorted({caption for row in corpus.train for caption in row.captions})
    audio = mulan_figures.embed_windows(mulan, raw, clips)
    words = mulan_figures.embed_captions(mulan, raw, tokenizer.encode(captions))
    flat = jnp.asarray(audio.reshape(-1, sizes.embedding))
    return mulan.finish(key, towers, flat, jnp.asarray(words))
