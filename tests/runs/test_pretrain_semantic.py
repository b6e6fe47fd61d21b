"""The tokenizer's run: from clips to a weights file and figures, resumable."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors, writers
from musicrl_jax.data import manifest
from musicrl_jax.models.semantic import bag_tuning
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop
from musicrl_jax.runs import pretrain_semantic

RATE = 16_000
SIZES = semantic_config.SemanticConfig(
    fft_size=640,
    frames_per_token=2,
    stem_channels=2,
    num_mels=8,
    width=8,
    heads=2,
    blocks=2,
    kernel=3,
    token_block=1,
    clusters=8,
    targets=1,
    target_size=8,
    target_width=4,
    mask_frames=3,
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Writes tones of several heights that go on and off."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    time = np.arange(RATE) / RATE
    for number in range(10):
        tone = 0.1 * np.sin(2 * np.pi * 200 * (number % 5 + 1) * time)
        tone = tone * (np.sin(2 * np.pi * (2 + number) * time) > 0)
        waveform.write_wav(folder / f"{number}.wav", tone.astype(np.float32), RATE)
        rows.append(
            manifest.ClipRow(
                path=f"{number}.wav",
                duration_seconds=1.0,
                sample_rate_hz=RATE,
                captions=(),
                split="train" if number < 8 else "held_out",
            )
        )
    manifest.write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def settings(corpus, folder, name="run", **changes):
    fields = {
        "manifest": str(corpus),
        "run_dir": str(folder / name),
        "out": str(folder / f"{name}.safetensors"),
        "semantic": SIZES,
        "pretrain": pretrain_config.PretrainConfig(
            steps=4, log_every=2, save_every=2, learning_rate=3e-3
        ),
        "batch_size": 8,
        "crop_frames": 12,
        "cluster_steps": 4,
        "bags": bag_tuning.BagConfig(steps=4, batch_size=40, crop_frames=20),
    }
    return pretrain_semantic.PretrainSemanticConfig(**(fields | changes))


@pytest.mark.slow
def test_clips_become_a_conformer_tokenizer_with_figures(corpus, tmp_path):
    seen = []
    hooks = loop.Hooks(progress=lambda done, total, row: seen.append((done, set(row))))
    stale = writers.JsonLinesWriter(tmp_path / "run" / "clusters.jsonl")
    stale.write(2, {"inertia": 9.0})  # of a process that was killed before it saved
    path = pretrain_semantic.run(settings(corpus, tmp_path), hooks)
    tokenizer, params = pretrain_semantic.load(path)
    stored = dataclasses.replace(tokenizer.config, mel_mean=-4.0, mel_deviation=3.0)
    assert stored == SIZES
    clip = waveform.read_audio(corpus.parent / "0.wav", RATE)[None]
    tokens = np.asarray(jax.jit(tokenizer.tokenize)(params, clip))
    assert tokens.shape == (1, 25)
    assert 1 < len(np.unique(tokens)) <= 8
    figures = json.loads(path.with_suffix(".json").read_text())
    assert 0 < figures["tokens/used_share"] <= 1
    assert 1 <= figures["tokens/perplexity"] <= 8
    rows = writers.read_json_lines(tmp_path / "run" / "clusters.jsonl")
    assert [row["step"] for row in rows] == [2, 4]
    assert all(0 < row["inertia"] < 8 for row in rows)
    assert [done for done, _ in seen] == [2, 4, 2, 4, 2, 4]
    assert "inertia" in seen[3][1]
    assert "loss/bags" in seen[-1][1]


@pytest.mark.slow
def test_tuning_moves_clusters_and_none_leaves_them(corpus, tmp_path):
    plain = settings(corpus, tmp_path, "plain", bags=bag_tuning.BagConfig())
    _, without = pretrain_semantic.load(pretrain_semantic.run(plain))
    _, tuned = pretrain_semantic.load(pretrain_semantic.run(settings(corpus, tmp_path)))
    lengths = np.linalg.norm(tuned["centroids"], axis=-1)
    np.testing.assert_allclose(lengths, SIZES.width**0.5, rtol=1e-3)
    assert np.ptp(np.linalg.norm(without["centroids"], axis=-1)) > 0.01
    assert not (tmp_path / "plain" / "bags").exists()


@pytest.mark.slow
@pytest.mark.parametrize("steps", [3, 7, 11], ids=["training", "clustering", "tuning"])
def test_stopped_run_goes_on_to_the_same_weights_file(corpus, tmp_path, steps):
    whole = pretrain_semantic.run(settings(corpus, tmp_path, "whole"))
    asked = iter([False] * (steps - 1) + [True])
    stopped = settings(corpus, tmp_path, "stopped")
    with pytest.raises(errors.Preempted):
        pretrain_semantic.run(stopped, loop.Hooks(stop=lambda: next(asked)))
    resumed = pretrain_semantic.run(stopped)
    assert whole.read_bytes() == resumed.read_bytes()


def test_settings_that_cannot_be_are_refused(corpus, tmp_path):
    with pytest.raises(errors.InputError, match="at least the 8 clusters"):
        settings(corpus, tmp_path, batch_size=1, crop_frames=7)
    with pytest.raises(errors.InputError, match="cluster_steps of 1 or more"):
        settings(corpus, tmp_path, cluster_steps=0)
    with pytest.raises(errors.InputError, match=r"clips of 1\.04 s"):
        pretrain_semantic.run(settings(corpus, tmp_path, crop_frames=26))
    longer = bag_tuning.BagConfig(steps=1, batch_size=4, crop_frames=26)
    with pytest.raises(errors.InputError, match=r"clips of 1\.04 s"):
        pretrain_semantic.run(settings(corpus, tmp_path, bags=longer))
    with pytest.raises(errors.InputError, match="must be a readable UTF-8 file"):
        pretrain_semantic.run(settings(tmp_path / "none.jsonl", tmp_path))
