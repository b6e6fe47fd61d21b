"""Trains the quality estimator on a ratings file and writes its weights.

Required: `PretrainQualityConfig.ratings` (see `data.ratings`; `runs.degradation_corpus`
makes one with simulated raters), `.run_dir`, `.out`.
Commonly overridden: `.left_out` (origins that are only judged on),
`QualityConfig.width`, `PretrainConfig.steps`.

Where ratings are simulated, figures and metrics of held-out clips are called
`simulated/...`, and the weights file's config says `simulated_raters`.
"""

import dataclasses
import functools
import json
import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors
from musicrl_jax.data import mel_batches, rated_mels, ratings
from musicrl_jax.evaluation import agreement, opinion_scores
from musicrl_jax.models.quality import adapter, objective
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step
from musicrl_jax.runs import training

NETWORK = "quality"
BAD_ROWS = "bad_ratings.txt"
_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainQualityConfig:
    """One training run of the quality estimator.

    Attributes:
      ratings: ratings file, JSON lines or CSV.
      run_dir: see `runs.training`; a run that was stopped goes on there.
      out: the safetensors file to write; its figures lie beside it as JSON.
      quality: sizes of the network.
      pretrain: steps, learning rate, checkpoints, seed.
      batch_size: crops of a step.
      crop_seconds: crop lengths; each step takes one. Shorter clips are left out.
      rater_bias: whether a bias of each rater is fitted beside the network.
      left_out: origins that are not trained on; their held-out clips are judged on.
      max_bad_share: largest share of rows of the ratings file that may be bad.
    """

    ratings: str
    run_dir: str
    out: str
    quality: quality_config.QualityConfig = dataclasses.field(
        default_factory=quality_config.QualityConfig
    )
    pretrain: pretrain_config.PretrainConfig = dataclasses.field(
        default_factory=lambda: pretrain_config.PretrainConfig(
            steps=2000, learning_rate=2e-3, warmup_steps=50, average_decay=0.98
        )
    )
    batch_size: int = 32
    crop_seconds: tuple[float, ...] = (5.0,)
    rater_bias: bool = True
    left_out: tuple[str, ...] = ()
    max_bad_share: float = 0.01

    def __post_init__(self) -> None:
        shortest = min(self.crop_seconds, default=0.0)
        if self.batch_size < 1 or shortest < self.quality.min_seconds:
            raise errors.InputError(
                "PretrainQualityConfig needs a batch_size of 1 or more and crops of "
                f"{self.quality.min_seconds} s or more; got {self.batch_size} and "
                f"crop_seconds {self.crop_seconds}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RatedMels:
    """Clips with scores and their log-mel spectrograms."""

    clips: tuple[ratings.RatedClip, ...]
    mels: tuple[Float[np.ndarray, "_ m"], ...]

    def where(self, wanted: Callable[[ratings.RatedClip], bool]) -> "RatedMels":
        """Returns the clips that are wanted."""
        kept = [i for i, clip in enumerate(self.clips) if wanted(clip)]
        return RatedMels(
            clips=tuple(self.clips[i] for i in kept),
            mels=tuple(self.mels[i] for i in kept),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Corpus:
    """The clips by what they are for; `label` is "simulated/" or nothing."""

    train: RatedMels
    held_out: RatedMels
    left_out: RatedMels
    label: str


def run(
    config: PretrainQualityConfig, hooks: loop.Hooks | None = None
) -> dict[str, float]:
    """Trains, writes `config.out`; returns the figures of held-out clips.

    Raises:
      InputError: for ratings or audio that cannot be used.
      Preempted: when stopped; the state is saved.
    """
    read = ratings.read_ratings(
        pathlib.Path(config.ratings), max_bad_share=config.max_bad_share
    )
    sizes = dataclasses.replace(config.quality, simulated_raters=read.simulated)
    run_dir, out = pathlib.Path(config.run_dir), pathlib.Path(config.out)
    _list_problems(run_dir, read.problems)
    corpus = _load(config, sizes, read)
    estimator = adapter.make_estimator(sizes)
    evaluate = functools.partial(_evaluate_state, estimator, corpus)
    state = _train(
        config,
        sizes,
        corpus.train,
        dataclasses.replace(hooks or loop.Hooks(), evaluate=evaluate),
    )
    params = objective.export_params(step.trained_params(state))
    weights.save_weights(out, params, NETWORK, dataclasses.asdict(sizes))
    figures, bins = _figures(estimator, params, corpus)
    record: dict[str, Any] = figures | bins | {"simulated": read.simulated}
    out.with_suffix(".json").write_text(json.dumps(record, indent=1), "utf-8")
    return figures


def load(path: pathlib.Path) -> tuple[adapter.QualityEstimator, arrays.Params]:
    """Returns the estimator and parameters of a weights file.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    return weights.load_network(path, NETWORK, make, _abstract_params)


def check(path: pathlib.Path) -> None:
    """Refuses what `load` would, without reading the parameters."""
    weights.check_network(path, NETWORK, make, _abstract_params)


def make(fields: Mapping[str, Any]) -> adapter.QualityEstimator:
    """Returns the estimator whose configuration a weights file holds."""
    return adapter.make_estimator(quality_config.QualityConfig.from_json(fields))


def _abstract_params(estimator: adapter.QualityEstimator) -> arrays.Params:
    return estimator.abstract_params()


def _list_problems(run_dir: pathlib.Path, problems: Sequence[str]) -> None:
    if problems:
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / BAD_ROWS).write_text("\n".join(problems) + "\n", encoding="utf-8")
        _LOG.warning("%d bad ratings; see %s", len(problems), run_dir / BAD_ROWS)


def _load(
    config: PretrainQualityConfig,
    sizes: quality_config.QualityConfig,
    read: ratings.Ratings,
) -> _Corpus:
    """Reads the clips that are long enough."""
    mels = mel_batches.read_files([clip.path for clip in read.clips], sizes.mel)
    longest = max(_frames(config, sizes))
    kept = [i for i, mel in enumerate(mels) if mel.shape[0] >= longest]
    if len(kept) < len(mels):
        _LOG.info("%d clips too short", len(mels) - len(kept))
    rated = RatedMels(
        clips=tuple(read.clips[i] for i in kept), mels=tuple(mels[i] for i in kept)
    )
    known = rated.where(lambda clip: clip.origin not in config.left_out)
    corpus = _Corpus(
        train=known.where(lambda clip: clip.split == "train"),
        held_out=known.where(lambda clip: clip.split != "train"),
        left_out=rated.where(
            lambda clip: clip.origin in config.left_out and clip.split != "train"
        ),
        label="simulated/" if read.simulated else "",
    )
    if not corpus.train.clips or len(corpus.held_out.clips) < 2:
        raise errors.InputError(
            f"{config.ratings} needs rated clips of {max(config.crop_seconds)} s or "
            f"more in split 'train', and 2 held out; it has {len(corpus.train.clips)} "
            f"and {len(corpus.held_out.clips)}. Rate more or set crop_seconds lower."
        )
    return corpus


def _frames(
    config: PretrainQualityConfig, sizes: quality_config.QualityConfig
) -> tuple[int, ...]:
    return tuple(
        round(seconds * sizes.sample_rate_hz) // sizes.hop
        for seconds in config.crop_seconds
    )


def _train(
    config: PretrainQualityConfig,
    sizes: quality_config.QualityConfig,
    train: RatedMels,
    hooks: loop.Hooks,
) -> step.PretrainState:
    numbers = rated_mels.rater_numbers(train.clips)
    scores, raters = rated_mels.score_table(train.clips, numbers)
    batches = rated_mels.RatedMelBatches(
        mels=train.mels,
        scores=scores,
        raters=raters,
        batch_size=config.batch_size,
        frames=_frames(config, sizes),
        seed=config.pretrain.seed,
    )
    trainer = objective.QualityObjective(
        config=sizes, raters=len(numbers), rater_bias=config.rater_bias
    )
    return training.train(trainer, batches, config.pretrain, config.run_dir, hooks)


def predict(
    estimator: adapter.QualityEstimator, params: arrays.Params, mels: mel_batches.Mels
) -> Float[np.ndarray, " clips"]:
    """Returns the predicted opinion of each clip, heard as a whole."""
    heard = [_of_mel(estimator, params, mel[None].astype(np.float32)) for mel in mels]
    return np.asarray(heard, np.float32)[:, 0]


@functools.partial(jax.jit, static_argnums=0)
def _of_mel(
    estimator: adapter.QualityEstimator,
    params: arrays.Params,
    mel: Float[Array, "b frames m"],
) -> Float[Array, " b"]:
    return estimator.of_mel(params, mel)


def _evaluate_state(
    estimator: adapter.QualityEstimator, corpus: _Corpus, state: step.PretrainState
) -> Mapping[str, float]:
    params = objective.export_params(step.trained_params(state))
    figures, _ = _figures(estimator, params, corpus)
    return figures


def _figures(
    estimator: adapter.QualityEstimator, params: arrays.Params, corpus: _Corpus
) -> tuple[dict[str, float], dict[str, Any]]:
    """Returns the scalars, and the calibration bins, of all clips not trained on."""
    figures: dict[str, float] = {}
    bins: dict[str, Any] = {}
    for split, part in (("held_out", corpus.held_out), ("left_out", corpus.left_out)):
        if len(part.clips) < 2:
            continue
        name = corpus.label + split
        predicted = predict(estimator, params, part.mels)
        opinion = np.asarray([clip.opinion for clip in part.clips])
        fit = opinion_scores.fit(predicted, opinion)
        figures |= {f"{name}/{key}": value for key, value in fit.figures().items()}
        bins[f"{name}/calibration"] = [dataclasses.asdict(one) for one in fit.bins]
        origins = [clip.origin or "unnamed" for clip in part.clips]
        groups = opinion_scores.fit_by_group(predicted, opinion, origins)
        figures |= {f"{name}/spearman/{key}": g.spearman for key, g in groups.items()}
        figures |= _agreement(f"{name}/rater_agreement_alpha", part.clips)
    return figures, bins


def _agreement(name: str, clips: Sequence[ratings.RatedClip]) -> dict[str, float]:
    """Returns Krippendorff's alpha under `name`, where clips have several raters."""
    if max(len(clip.scores) for clip in clips) < 2:
        return {}
    scores, raters = rated_mels.score_table(clips, rated_mels.rater_numbers(clips))
    table = np.where(raters == rated_mels.NOBODY, np.nan, scores)
    return {name: agreement.krippendorff_alpha(table)}
