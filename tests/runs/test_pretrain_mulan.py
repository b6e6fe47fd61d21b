"""Pretraining of a tiny MuLan: more clips, a stop and a resume, its file."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop
from musicrl_jax.runs import pretrain_mulan

RATE = 16_000
GENRES = ("waltz", "tango")


def _write_corpus(folder: pathlib.Path, clips: int, seed: int) -> str:
    """Clips of noise, some of them held out."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(clips):
        sound = 0.1 * generator.standard_normal(RATE).astype(np.float32)
        path = folder / f"{seed}_{number}.wav"
        waveform.write_wav(path, sound, RATE)
        genre = GENRES[number % 2]
        rows.append(
            manifest.ClipRow(
                path=path.name,
                duration_seconds=1.0,
                sample_rate_hz=RATE,
                captions=(genre, f"a {genre} in take {number} of {seed}"),
                attributes={"genre": genre},
                split="held_out" if number >= clips - 4 else "train",
            )
        )
    manifest.write_manifest(folder / f"{seed}.jsonl", rows)
    return str(folder / f"{seed}.jsonl")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> pretrain_mulan.PretrainMulanConfig:
    folder = tmp_path_factory.mktemp("mulan")
    return pretrain_mulan.PretrainMulanConfig(
        manifest=_write_corpus(folder, 10, seed=0),
        more_manifests=(_write_corpus(folder, 12, seed=1),),
        run_dir=str(folder / "run"),
        out=str(folder / "mulan.safetensors"),
        mulan=mulan_config.MulanConfig(
            text_width=8,
            text_heads=2,
            fft_size=640,
            num_mels=8,
            audio_widths=(8,),
            audio_blocks=1,
            min_seconds=0.2,
            embedding=8,
            conditioning_tokens=2,
            codebook_size=4,
        ),
        pretrain=pretrain_config.PretrainConfig(steps=4, warmup_steps=1, save_every=2),
        batch_size=4,
        crop_frames=(8, 12),
        window_frames=12,
        judged_pairs=4,
    )


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_like_one_that_was_not(config, tmp_path):
    whole = pretrain_mulan.run(config)
    stopped = dataclasses.replace(
        config, run_dir=str(tmp_path / "run"), out=str(tmp_path / "mulan.safetensors")
    )
    with pytest.raises(errors.Preempted, match="step 1"):
        pretrain_mulan.run(stopped, loop.Hooks(stop=lambda: True))
    resumed = pretrain_mulan.run(stopped)
    (mulan, one, words), (_, other, _) = map(pretrain_mulan.load, (whole, resumed))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)
    # Words of both corpora are known, those of held-out clips are not.
    assert {"waltz", "tango", "1", "0"} <= set(words.words)
    assert mulan.config.vocabulary_size == words.vocabulary_size
    figures = json.loads(whole.with_suffix(".json").read_text("utf-8"))
    assert figures["pairs"] == 4
    assert {f"clip/{name}_of_2" for name in ("genre",)} <= set(figures)


def test_a_file_from_before_an_option_came_is_read(config):
    """Fields that a file lacks have the values that they had before."""
    sizes = dataclasses.asdict(config.mulan)
    tokenizer = {"words": ["waltz"], "buckets": 2, "width": 4}
    for name in ("audio_stem", "audio_layers", "audio_heads", "dtype", "remat"):
        del sizes[name]
    mulan, _ = pretrain_mulan.make(sizes | {"tokenizer": tokenizer})
    assert mulan.config == config.mulan
