"""Trains the semantic tokenizer on a corpus and writes its weights.

Required: `PretrainSemanticConfig.manifest` (see `runs.corpus`), `.run_dir`, `.out`.
Commonly overridden: `PretrainConfig.steps`, `SemanticConfig.width`, `.clusters`,
`BagConfig.steps`.

Masked prediction first, then k-means of the middle layer's features, then both tuned
together (`models.semantic.bag_tuning`), all over batches of crops on the same mesh. The
starter's: 16 crops of 8 s a step, about 0.4 s a step on two CPU cores, and 2 s in
tuning. A run that was stopped goes on from its newest checkpoint in `run_dir`.
"""

import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.checkpoints import snapshots, weights
from musicrl_jax.core import arrays, errors, sharding, writers
from musicrl_jax.data import mel_batches
from musicrl_jax.models.semantic import adapter, bag_tuning, clusters, objective
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.nn import streaming_kmeans
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step
from musicrl_jax.runs import mel_corpus, training, warm_start


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainSemanticConfig:
    """A training run of the semantic tokenizer.

    Attributes:
      manifest: JSON lines file of the corpus.
      run_dir: checkpoints and metrics.
      out: the safetensors file to write; its figures lie beside it as JSON.
      semantic: sizes; `mel_mean` and `mel_deviation` are measured on the corpus.
      pretrain: steps, learning rate, checkpoints.
      batch_size: crops of a step.
      crop_frames: tokens of a crop.
      cluster_steps: batches that the clusters are fitted to.
      bags: how encoder and clusters are tuned after that.
    """

    manifest: str
    run_dir: str
    out: str
    semantic: semantic_config.SemanticConfig = dataclasses.field(
        default_factory=semantic_config.SemanticConfig
    )
    pretrain: pretrain_config.PretrainConfig = dataclasses.field(
        default_factory=lambda: pretrain_config.PretrainConfig(
            steps=700, learning_rate=2e-3, warmup_steps=50, save_every=350
        )
    )
    batch_size: int = 16
    crop_frames: int = 200
    cluster_steps: int = 200
    bags: bag_tuning.BagConfig = dataclasses.field(default_factory=bag_tuning.BagConfig)

    def __post_init__(self) -> None:
        if min(self.batch_size, self.crop_frames, self.cluster_steps) < 1:
            raise errors.InputError(
                "PretrainSemanticConfig needs batch_size, crop_frames and "
                f"cluster_steps of 1 or more; got {self.batch_size}, "
                f"{self.crop_frames} and {self.cluster_steps}."
            )
        if self.batch_size * self.crop_frames < self.semantic.clusters:
            raise errors.InputError(
                "PretrainSemanticConfig.batch_size * crop_frames must be at least the "
                f"{self.semantic.clusters} clusters; got {self.batch_size} and "
                f"{self.crop_frames}."
            )


def starter(
    manifest: str, run_dir: str, out: str, tuning_steps: int = 0
) -> PretrainSemanticConfig:
    """Returns the run of the starter's tokenizer; 0 `tuning_steps` mean its own."""
    return PretrainSemanticConfig(
        manifest=manifest,
        run_dir=run_dir,
        out=out,
        semantic=semantic_config.SemanticConfig(fft_size=2048, num_mels=128),
        pretrain=pretrain_config.PretrainConfig(
            steps=1500, learning_rate=2e-3, warmup_steps=50, save_every=100
        ),
        bags=bag_tuning.BagConfig(
            steps=tuning_steps or 500, batch_size=40, crop_frames=160
        ),
    )


def run(
    config: PretrainSemanticConfig, hooks: loop.Hooks | None = None
) -> pathlib.Path:
    """Trains, fits the clusters, exports, and returns the weights file.

    Raises:
      InputError: for a corpus that cannot be read.
      Preempted: when stopped; the state is saved.
    """
    corpus = mel_corpus.load(
        pathlib.Path(config.manifest),
        config.semantic.mel,
        min_frames=_longest_crop(config) * config.semantic.frames_per_token,
    )
    mean, deviation = corpus.level()
    sizes = dataclasses.replace(config.semantic, mel_mean=mean, mel_deviation=deviation)
    trainer = objective.SemanticObjective(config=sizes)
    batches = _batches(config, corpus, config.batch_size, config.crop_frames)
    state = training.train(trainer, batches, config.pretrain, config.run_dir, hooks)
    encoder = step.trained_params(state)
    params: arrays.Params = {
        "network": encoder,
        "centroids": _cluster(config, sizes, encoder, batches, hooks),
    }
    if config.bags.steps:
        params = _tune(config, sizes, params, state.statistics, corpus, hooks)
    out = pathlib.Path(config.out)
    weights.save_weights(out, params, "semantic", dataclasses.asdict(sizes))
    figures = _figures(trainer, state.statistics, params, corpus)
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1), "utf-8")
    return out


def load(path: pathlib.Path) -> tuple[adapter.Semantic, arrays.Params]:
    """Returns the tokenizer and parameters of a weights file.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    return weights.load_network(
        path,
        "semantic",
        lambda fields: adapter.make_semantic(semantic_config.SemanticConfig(**fields)),
        lambda tokenizer: tokenizer.abstract_params(),
    )


def _longest_crop(config: PretrainSemanticConfig) -> int:
    """Returns the tokens of the longest crops that the run asks for."""
    tuned = config.bags.crop_frames if config.bags.steps else 0
    return max(config.crop_frames, tuned)


def _batches(
    config: PretrainSemanticConfig,
    corpus: mel_corpus.MelCorpus,
    batch_size: int,
    crop_frames: int,
) -> mel_batches.MelBatches:
    return mel_batches.MelBatches(
        mels=corpus.train_mels,
        batch_size=batch_size,
        frames=(crop_frames * config.semantic.frames_per_token,),
        seed=config.pretrain.seed,
    )


def _cluster(
    config: PretrainSemanticConfig,
    sizes: semantic_config.SemanticConfig,
    encoder: arrays.Params,
    batches: mel_batches.MelBatches,
    hooks: loop.Hooks | None,
) -> Float[Array, "c d"]:
    """Returns the centroids of the middle layer's features of training crops."""
    mesh = sharding.make_mesh(config.pretrain.mesh)
    place = sharding.batch_sharding(mesh)
    fitting = clusters.ClusterStep(
        tokenizer=adapter.make_semantic(sizes),
        kmeans=streaming_kmeans.StreamingKMeans(
            size=sizes.clusters, steps=config.cluster_steps
        ),
        encoder=encoder,
        first=jax.device_put(batches.batch(0), place),
    )
    settings = dataclasses.replace(config.pretrain, steps=config.cluster_steps)
    run_dir = pathlib.Path(config.run_dir)
    store = snapshots.TreeSnapshots(run_dir / "clusters", keep=config.pretrain.keep)
    metrics = writers.JsonLinesWriter(run_dir / "clusters.jsonl")
    metrics.keep_until(store.newest_step() or 0)
    state = loop.train_with(fitting, batches, settings, metrics, store, hooks)
    store.close()
    return state.centroids


def _tune(
    config: PretrainSemanticConfig,
    sizes: semantic_config.SemanticConfig,
    params: arrays.Params,
    targets: arrays.Params,
    corpus: mel_corpus.MelCorpus,
    hooks: loop.Hooks | None,
) -> arrays.Params:
    """Returns encoder and centroids after `config.bags`."""
    trainer = bag_tuning.BagObjective(config=sizes, bags=config.bags)
    settings = dataclasses.replace(
        config.pretrain,
        steps=config.bags.steps,
        learning_rate=config.pretrain.learning_rate * config.bags.learning_rate_share,
        accumulate=1,
    )
    clips = min(config.bags.batch_size, len(corpus.train_mels))

    def start(
        fresh: arrays.Params, _: arrays.Params
    ) -> tuple[arrays.Params, arrays.Params]:
        return {**fresh, **params}, targets

    state = training.train(
        trainer,
        _batches(config, corpus, clips, config.bags.crop_frames),
        settings,
        pathlib.Path(config.run_dir) / "bags",
        hooks,
        lambda random: warm_start.begin(random, start),
    )
    return bag_tuning.tuned(step.trained_params(state), sizes)


def _figures(
    trainer: objective.SemanticObjective,
    targets: arrays.Params,
    params: arrays.Params,
    corpus: mel_corpus.MelCorpus,
) -> dict[str, float]:
    """Measures masked prediction and the use of the tokens on held-out clips."""
    tokenizer = adapter.make_semantic(trainer.config)
    tokenize = jax.jit(tokenizer.tokenize_mel)
    held_out = corpus.held_out_mels
    tokens = [
        np.asarray(tokenize(params, mel[None].astype(np.float32)))[0]
        for mel in held_out
    ]
    frames = min(mel.shape[0] for mel in held_out)
    frames -= frames % trainer.config.frames_per_token
    batch = {"mel": jnp.stack([jnp.asarray(mel[:frames]) for mel in held_out[:32]])}
    loss, (_, metrics) = jax.jit(trainer.loss)(
        params["network"], targets, batch, jax.random.key(0)
    )
    return {
        "masked/loss": float(loss),
        "masked/accuracy": float(metrics["accuracy"]),
        **cluster_use(tokens, trainer.config.clusters),
    }


def cluster_use(tokens: list[Int[np.ndarray, " _"]], clusters: int) -> dict[str, float]:
    """Returns how tokens are used.

    The share of clusters seen, their perplexity (of the pooled distribution), and the
    share of frames whose token is that of the frame before.
    """
    counts = np.bincount(np.concatenate(tokens), minlength=clusters)
    shares = counts[counts > 0] / counts.sum()
    repeats = np.concatenate([clip[1:] == clip[:-1] for clip in tokens])
    return {
        "tokens/used_share": float(np.mean(counts > 0)),
        "tokens/perplexity": float(np.exp(-np.sum(shares * np.log(shares)))),
        "tokens/repeat_share": float(np.mean(repeats)),
    }
