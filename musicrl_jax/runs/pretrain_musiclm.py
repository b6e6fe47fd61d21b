"""Trains MusicLM on a tokenised corpus and writes its weights.

Required: `PretrainMusicLMConfig.tokens` (see `runs.tokenize_corpus`), `.run_dir` and
`.out`. Commonly overridden: `PretrainConfig.steps`, `MusicLMConfig.width`.

The weights are written at every checkpoint, so that a long run can be listened to. A
run that was stopped goes on from its newest checkpoint in `run_dir`.
"""

import collections
import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors, rng
from musicrl_jax.core import layout as layouts
from musicrl_jax.data import token_batches, token_cache
from musicrl_jax.models.musiclm import adapter, objective
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.musiclm import warm_start as musiclm_start
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step
from musicrl_jax.runs import pretrain_mulan, training, warm_start


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainMusicLMConfig:
    """A training run of MusicLM.

    Attributes:
      tokens: folder of the tokenised corpus.
      run_dir: checkpoints and metrics.
      out: the safetensors file to write; its figures lie beside it as JSON.
      musiclm: sizes of the network.
      layout: streams of the tokens.
      pretrain: steps, learning rate, averaging, checkpoints.
      batch_size: crops of a step.
      crop_frames: frames of a crop; longer than the attention window, so that long
        clips meet no context that training did not.
      text_share: share of crops that are conditioned on a caption.
      start_share: share of crops that begin their clip.
      noise: the largest share of foreign frames in a crop's past.
      dropout: share of crops without conditioning, for guidance when sampling; needs
        `MusicLMConfig.null_conditioning`.
      mulan: MuLan's weights, whose codebooks the conditioning starts from; empty for
        a random start.
      start_from: MusicLM's weights that training goes on from; empty for none.
      validation_batches: held-out batches that losses are measured on.
    """

    tokens: str
    run_dir: str
    out: str
    musiclm: musiclm_config.MusicLMConfig = dataclasses.field(
        default_factory=lambda: musiclm_config.MusicLMConfig(window_frames=128)
    )
    layout: layouts.TokenLayout = dataclasses.field(
        default_factory=musiclm_config.make_layout
    )
    pretrain: pretrain_config.PretrainConfig = dataclasses.field(
        default_factory=lambda: pretrain_config.PretrainConfig(
            steps=4000,
            learning_rate=2e-3,
            warmup_steps=100,
            average_decay=0.99,
            save_every=200,
        )
    )
    batch_size: int = 16
    crop_frames: int = 160
    text_share: float = 0.7
    start_share: float = 0.3
    noise: float = 0.8
    dropout: float = 0.0
    mulan: str = ""
    start_from: str = ""
    validation_batches: int = 4

    def __post_init__(self) -> None:
        if min(self.batch_size, self.crop_frames, self.validation_batches) < 1:
            raise errors.InputError(
                "PretrainMusicLMConfig needs batch_size, crop_frames and "
                f"validation_batches of 1 or more; got {self.batch_size}, "
                f"{self.crop_frames} and {self.validation_batches}."
            )
        for name in ("text_share", "start_share", "noise", "dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise errors.InputError(
                    f"PretrainMusicLMConfig.{name} must lie in [0, 1]; got "
                    f"{getattr(self, name)}."
                )


def run(config: PretrainMusicLMConfig, hooks: loop.Hooks | None = None) -> pathlib.Path:
    """Trains, exports at every checkpoint, and returns the weights file.

    Raises:
      InputError: for tokens that cannot be read or are of another layout.
      Preempted: when stopped; the state is saved.
    """
    cache = token_cache.TokenCache(pathlib.Path(config.tokens))
    _check_layout(cache, config)
    trainer = objective.MusicLMObjective(
        config=config.musiclm,
        layout=config.layout,
        noise=config.noise,
        dropout=config.dropout,
    )
    evaluate = _evaluation(config, trainer, cache)

    def evaluate_and_export(state: step.PretrainState) -> Mapping[str, float]:
        figures = evaluate(step.trained_params(state))
        export(config, state, figures)
        return figures

    hooks = dataclasses.replace(hooks or loop.Hooks(), evaluate=evaluate_and_export)
    batches = _batches(config, cache, np.flatnonzero(cache.where("train")))
    start = functools.partial(
        warm_start.begin, change=functools.partial(_begin, config)
    )
    state = training.train(
        trainer, batches, config.pretrain, config.run_dir, hooks, start
    )
    out = pathlib.Path(config.out)
    if not out.is_file():
        export(config, state, evaluate(step.trained_params(state)))
    return out


def _begin(
    config: PretrainMusicLMConfig, params: arrays.Params, statistics: arrays.Params
) -> tuple[arrays.Params, arrays.Params]:
    """Returns the first parameters as the config wants them."""
    if config.start_from:
        params = load(pathlib.Path(config.start_from))[1]
    if config.mulan:
        mulan = pretrain_mulan.load(pathlib.Path(config.mulan))[1]
        key = rng.stream(jax.random.key(config.pretrain.seed), "codebooks")
        params = musiclm_start.with_codebooks(params, mulan["codebooks"], key)
    return params, statistics


def export(
    config: PretrainMusicLMConfig,
    state: step.PretrainState,
    figures: Mapping[str, float | int],
) -> None:
    """Writes the weights and their figures; each file appears whole."""
    fields = described(config.musiclm, config.layout)
    out = pathlib.Path(config.out)
    weights.save_weights(out, step.trained_params(state), "musiclm", fields)
    rows = {"step": int(state.step)} | dict(figures)
    out.with_suffix(".json").write_text(json.dumps(rows, indent=1), "utf-8")


def described(
    config: musiclm_config.MusicLMConfig, layout: layouts.TokenLayout
) -> dict[str, object]:
    """Returns the configuration in a weights file, which `make` reads."""
    return {
        "musiclm": dataclasses.asdict(config),
        "layout": dataclasses.asdict(layout),
    }


def load(path: pathlib.Path) -> tuple[adapter.MusicLMPolicy, arrays.Params]:
    """Returns the policy and parameters of a weights file.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    return weights.load_network(
        path, "musiclm", make, lambda policy: policy.abstract_params()
    )


def check(path: pathlib.Path) -> None:
    """Refuses what `load` would, without reading the parameters."""
    weights.check_network(
        path, "musiclm", make, lambda policy: policy.abstract_params()
    )


def make(fields: Mapping[str, Any]) -> adapter.MusicLMPolicy:
    """Returns the policy whose configuration a weights file holds."""
    streams = tuple(layouts.Stream(**row) for row in fields["layout"]["streams"])
    return adapter.make_policy(
        musiclm_config.MusicLMConfig(**fields["musiclm"]),
        layouts.TokenLayout(
            streams=streams, frame_rate_hz=fields["layout"]["frame_rate_hz"]
        ),
    )


def _batches(
    config: PretrainMusicLMConfig,
    cache: token_cache.TokenCache,
    clips: np.ndarray,
    **changes: object,
) -> token_batches.TokenBatches:
    batches = token_batches.TokenBatches(
        cache=cache,
        clips=clips,
        batch_size=config.batch_size,
        frames=config.crop_frames,
        text_share=config.text_share,
        start_share=config.start_share,
        seed=config.pretrain.seed,
    )
    return dataclasses.replace(batches, **changes)


def _evaluation(
    config: PretrainMusicLMConfig,
    trainer: objective.MusicLMObjective,
    cache: token_cache.TokenCache,
) -> Callable[[arrays.Params], Mapping[str, float]]:
    """Returns what measures losses, on held-out clips where the corpus has any.

    Perplexities are those of the mean losses.

    `gap/conditioning` is what conditioning is worth: the nats a token that a clip's own
    caption saves over another clip's in the first second, before the past tells.
    """
    held_out = np.flatnonzero(~cache.where("train"))
    if not held_out.size:
        held_out = np.arange(len(cache))
    source = _batches(config, cache, held_out, text_share=1.0)
    second = min(round(config.layout.frame_rate_hz), config.crop_frames)
    begin = _batches(
        config, cache, held_out, text_share=1.0, start_share=1.0, frames=second
    )
    loss = jax.jit(dataclasses.replace(trainer, noise=0.0, dropout=0.0).loss)
    key = jax.random.key(0)

    def evaluate(params: arrays.Params) -> Mapping[str, float]:
        totals: dict[str, float] = collections.defaultdict(float)
        for number in range(config.validation_batches):
            nats, (_, metrics) = loss(params, {}, source.batch(number), key)
            own = begin.batch(number)
            swapped = own | {"conditioning": np.roll(own["conditioning"], 1, axis=0)}
            gap = loss(params, {}, swapped, key)[0] - loss(params, {}, own, key)[0]
            rows = dict(metrics) | {"loss": nats, "gap/conditioning": gap}
            for name, value in rows.items():
                totals[f"validation/{name}"] += float(value) / config.validation_batches
        return dict(totals) | _perplexities(totals)

    return evaluate


def _perplexities(losses: Mapping[str, float]) -> dict[str, float]:
    """Returns `validation/perplexity/...` of each `validation/loss/...`."""
    return {
        name.replace("loss", "perplexity"): float(np.exp(nats))
        for name, nats in losses.items()
        if name.startswith("validation/loss")
    }


def _check_layout(cache: token_cache.TokenCache, config: PretrainMusicLMConfig) -> None:
    sizes = np.asarray(config.layout.codebook_sizes)
    largest = np.asarray(cache.index.largest_tokens)
    found = len(largest)
    if found != len(sizes) or (largest >= sizes).any():
        raise errors.InputError(
            f"{config.tokens} must hold {len(sizes)} tokens a frame below {sizes}; it "
            f"has {found}. Set PretrainMusicLMConfig.layout."
        )
    count = cache.index.conditioning_tokens
    if count != config.musiclm.conditioning_tokens:
        raise errors.InputError(
            f"MusicLMConfig.conditioning_tokens must be those of {config.tokens}, "
            f"{count}; got {config.musiclm.conditioning_tokens}."
        )
