"""The codec's run: from a manifest to a weights file, stopped and gone on with."""

import dataclasses

import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors, sharding, writers
from musicrl_jax.data import manifest
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop
from musicrl_jax.runs import pretrain_codec

SIZES = codec_config.CodecConfig(
    fft_size=256,
    hop=64,
    num_mels=16,
    width=16,
    encoder_depth=1,
    code_depth=1,
    frame_depth=1,
    levels=2,
    codebook_size=8,
    code_width=4,
    refine_iterations=1,
)


def corpus(folder):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(4):
        path = f"{number}.wav"
        noise = rng.uniform(-0.5, 0.5, size=4000) * np.linspace(0, 1, 4000)
        waveform.write_wav(folder / path, noise, 16_000)
        rows.append(
            manifest.ClipRow(
                path=path,
                duration_seconds=0.25,
                sample_rate_hz=16_000,
                captions=("noise that swells",),
                split="held_out" if number == 3 else "train",
            )
        )
    manifest.write_manifest(folder / "manifest.jsonl", rows)
    return str(folder / "manifest.jsonl")


def settings(folder, name):
    return pretrain_codec.PretrainCodecConfig(
        manifest=corpus(folder),
        run_dir=str(folder / name),
        out=str(folder / f"{name}.safetensors"),
        codec=SIZES,
        pretrain=pretrain_config.PretrainConfig(
            steps=8, log_every=2, save_every=4, mesh=sharding.MeshConfig(data=-1)
        ),
        batch_size=4,
        crop_frames=8,
    )


@pytest.mark.slow
def test_stopped_run_goes_on_to_the_same_weights_file(tmp_path):
    whole = pretrain_codec.run(settings(tmp_path, "whole"))
    asked = iter([False] * 4 + [True])
    config = settings(tmp_path, "stopped")
    with pytest.raises(errors.Preempted):
        pretrain_codec.run(config, loop.Hooks(stop=lambda: next(asked)))
    resumed = pretrain_codec.run(config)
    assert resumed.read_bytes() == whole.read_bytes()
    rows = writers.read_json_lines(tmp_path / "whole" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    codec, params = pretrain_codec.load(resumed)
    assert codec.config == SIZES
    clip = waveform.read_audio(tmp_path / "3.wav", 16_000)[None, : 128 * 31]
    scores = pretrain_codec.reconstruction_scores(codec, params, clip)
    assert scores["mel_l1"] == pytest.approx(rows[-1]["held_out/mel_l1"], abs=0.02)


def test_a_corpus_without_a_clip_to_measure_is_refused_before_training(tmp_path):
    config = settings(tmp_path, "short")
    waveform.write_wav(tmp_path / "3.wav", np.zeros(100), 16_000)
    with pytest.raises(errors.InputError, match="One held-out clip at least"):
        pretrain_codec.run(config)
    assert not (tmp_path / "short" / "checkpoints").exists()


def test_another_networks_file_is_refused(tmp_path):
    path = tmp_path / "mulan.safetensors"
    fields = dataclasses.asdict(SIZES)
    weights.save_weights(path, {"w": np.zeros(2, np.float32)}, "mulan", fields)
    with pytest.raises(errors.InputError, match="must hold a network of kind 'codec'"):
        pretrain_codec.load(path)
