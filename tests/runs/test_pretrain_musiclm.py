"""Pretraining of a tiny MusicLM: it learns, exports, resumes and refuses."""

import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, protocols
from musicrl_jax.data import manifest, token_records, token_shards
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.musiclm import guidance
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop
from musicrl_jax.runs import pretrain_musiclm

CLIPS, FRAMES = 12, 30


def _write_cache(path: pathlib.Path, captions: int = 1) -> None:
    """Two kinds of clips, told apart by their conditioning alone at the beginning."""
    kind = np.arange(CLIPS) % 2
    beat = (np.arange(FRAMES)[None, :] + 3 * kind[:, None]) % 4 + 4 * kind[:, None]
    rows = tuple(
        manifest.ClipRow(
            path=f"{i}.wav",
            duration_seconds=1.2,
            sample_rate_hz=16_000,
            captions=("a",) * captions,
            split="train" if i < 8 else "held_out",
        )
        for i in range(CLIPS)
    )
    codes = np.broadcast_to(kind[:, None], (CLIPS, 2)).astype(np.int16)
    tokens = np.repeat(beat[..., None], 3, axis=-1).astype(np.int16)
    job = token_shards.ShardJob(folder=path, shards=1, made_from={})
    if not job.begin():
        job.write(
            0,
            [
                token_records.TokenClip(
                    row=rows[i],
                    tokens=tokens[i],
                    audio_codes=codes[i, None],
                    text_codes=codes[i, None][:captions] + np.int16(2),
                )
                for i in range(CLIPS)
            ],
        )
        job.finish(job.records(), [0], FRAMES, {})


def _config(folder: pathlib.Path) -> pretrain_musiclm.PretrainMusicLMConfig:
    _write_cache(folder / "tokens")
    return pretrain_musiclm.PretrainMusicLMConfig(
        tokens=str(folder / "tokens"),
        run_dir=str(folder / "run"),
        out=str(folder / "musiclm.safetensors"),
        musiclm=musiclm_config.MusicLMConfig(
            width=16,
            heads=2,
            layers=1,
            depth_width=16,
            depth_heads=2,
            window_frames=8,
            conditioning_tokens=2,
            conditioning_size=4,
        ),
        layout=musiclm_config.make_layout(
            semantic_size=8, coarse_size=8, coarse_levels=2
        ),
        pretrain=pretrain_config.PretrainConfig(
            steps=60, learning_rate=1e-2, warmup_steps=5, save_every=30
        ),
        batch_size=8,
        crop_frames=12,
        validation_batches=1,
    )


def test_it_learns_what_conditioning_and_past_tell_and_exports_it(
    tmp_path: pathlib.Path,
) -> None:
    config = _config(tmp_path)
    policy, params = pretrain_musiclm.load(pretrain_musiclm.run(config))
    figures = json.loads((tmp_path / "musiclm.json").read_text("utf-8"))
    assert figures["step"] == 60
    assert figures["validation/loss"] < 0.5 * np.log(8)
    assert figures["validation/gap/conditioning"] > 0.05
    # The frame decides all three tokens: the later ones are known once one is seen.
    assert figures["validation/loss/coarse_1"] < 0.25 * np.log(8)
    assert policy.config == config.musiclm
    assert policy.layout == config.layout
    assert jax.tree.structure(params) == jax.tree.structure(policy.abstract_params())
    for stream in ("semantic", "coarse_0", "coarse_1"):
        nats = figures[f"validation/loss/{stream}"]
        perplexity = figures[f"validation/perplexity/{stream}"]
        np.testing.assert_allclose(perplexity, np.exp(nats), rtol=1e-6)
    # The same run again finds its last checkpoint and has nothing left to do.
    steps: list[int] = []
    hooks = loop.Hooks(progress=lambda step, steps_, row: steps.append(step))
    pretrain_musiclm.run(config, hooks)
    assert not steps


@pytest.mark.slow
def test_sound_without_captions_trains_a_model_that_guidance_can_steer(
    tmp_path: pathlib.Path,
) -> None:
    config = _config(tmp_path)
    _write_cache(tmp_path / "tokens", captions=0)
    sizes = dataclasses.replace(config.musiclm, null_conditioning=True)
    config = dataclasses.replace(config, musiclm=sizes, dropout=0.2)
    policy, params = pretrain_musiclm.load(pretrain_musiclm.run(config))
    figures = json.loads((tmp_path / "musiclm.json").read_text("utf-8"))
    assert figures["validation/gap/conditioning"] > 0.05
    # Kind 0 has semantic tokens below 4, kind 1 above; without one, both are possible.
    first = jnp.zeros((2, 1, 3), jnp.int32)

    def share_of_kind_1(policy: protocols.Policy) -> np.ndarray:
        states = policy.frame_states(params, first, jnp.asarray([[0, 0], [1, 1]]))
        logits = policy.token_logits(params, states, first)
        return np.asarray(jax.nn.softmax(logits[:, 0, 0]))[:, 4:].sum(axis=-1)

    low, high = share_of_kind_1(policy)
    null = share_of_kind_1(guidance.guided(policy, 0.0))
    assert low < null[0] < high
    np.testing.assert_allclose(null[0], null[1], rtol=1e-5)
    lower, higher = share_of_kind_1(guidance.guided(policy, 3.0))
    assert lower < low
    assert higher > high


def test_training_goes_on_from_given_weights(tmp_path: pathlib.Path) -> None:
    config = _config(tmp_path)
    few = dataclasses.replace(config.pretrain, steps=1, warmup_steps=0)
    first = dataclasses.replace(config, pretrain=few)
    _, before = pretrain_musiclm.load(pretrain_musiclm.run(first))
    tiny = dataclasses.replace(few, learning_rate=1e-9, seed=5)
    again = dataclasses.replace(
        config,
        pretrain=tiny,
        start_from=config.out,
        run_dir=str(tmp_path / "again"),
        out=str(tmp_path / "again.safetensors"),
    )
    _, after = pretrain_musiclm.load(pretrain_musiclm.run(again))
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("layout", musiclm_config.make_layout(semantic_size=4), "layout"),
        ("musiclm", musiclm_config.MusicLMConfig(), "conditioning_tokens"),
    ],
)
def test_tokens_of_another_layout_are_refused(
    tmp_path: pathlib.Path, field: str, value: object, says: str
) -> None:
    config = dataclasses.replace(_config(tmp_path), **{field: value})
    with pytest.raises(errors.InputError, match=says):
        pretrain_musiclm.run(config)


def test_impossible_shares_are_named() -> None:
    with pytest.raises(errors.InputError, match="noise"):
        pretrain_musiclm.PretrainMusicLMConfig(tokens="", run_dir="", out="", noise=1.5)
