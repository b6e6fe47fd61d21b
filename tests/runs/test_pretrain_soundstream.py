"""SoundStream's run: from a manifest to a weights file, stopped and gone on with."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from musicrl_jax.audio import distortion, waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors, sharding, writers
from musicrl_jax.data import manifest
from musicrl_jax.models.codec import config as spectral_config
from musicrl_jax.models.soundstream import adapter
from musicrl_jax.models.soundstream import config as config_lib
from musicrl_jax.pretraining import adversarial_config, loop
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.runs import codecs, pretrain_soundstream

SIZES = config_lib.SoundStreamConfig(
    sample_rate_hz=16_000,
    width=4,
    strides=(4, 4),
    dilations=(1,),
    kernel=3,
    levels=3,
    codebook_size=8,
    code_width=4,
)


def corpus(folder):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(4):
        path = f"{number}.wav"
        noise = rng.uniform(-0.5, 0.5, size=4000) * np.linspace(0, 1, 4000)
        waveform.write_wav(folder / path, noise.astype(np.float32), 16_000)
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


def settings(folder, name, **changes):
    fields = {
        "manifest": corpus(folder),
        "run_dir": str(folder / name),
        "out": str(folder / f"{name}.safetensors"),
        "codec": SIZES,
        "discriminators": config_lib.DiscriminatorConfig(
            stft_windows=(64,), stft_width=2, wave_scales=1, wave_width=2, depth=1
        ),
        "loss": config_lib.SoundStreamLossConfig(mel_windows=(64, 128)),
        "pretrain": pretrain_config.PretrainConfig(
            steps=6, log_every=2, save_every=3, mesh=sharding.MeshConfig(data=-1)
        ),
        "adversarial": adversarial_config.AdversarialConfig(discriminator_start=2),
        "batch_size": 4,
        "crop_frames": 16,
    }
    return pretrain_soundstream.PretrainSoundStreamConfig(**(fields | changes))


@pytest.mark.slow
def test_stopped_run_goes_on_to_the_same_weights_file(tmp_path):
    whole = pretrain_soundstream.run(settings(tmp_path, "whole"))
    asked = iter([False] * 3 + [True])
    config = settings(tmp_path, "stopped")
    with pytest.raises(errors.Preempted):
        pretrain_soundstream.run(config, loop.Hooks(stop=lambda: next(asked)))
    resumed = pretrain_soundstream.run(config)
    assert resumed.read_bytes() == whole.read_bytes()
    rows = writers.read_json_lines(tmp_path / "whole" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 3, 4, 6]
    codec, params = codecs.load(resumed)
    assert codec.config == SIZES
    clip = waveform.read_audio(tmp_path / "3.wav", 16_000)[None]
    scores = pretrain_soundstream.reconstruction_scores(codec, params, clip)
    last = {k[9:]: v for k, v in rows[-1].items() if k.startswith("held_out/")}
    assert scores.keys() == last.keys()
    assert scores["bits_per_second"] == 1000 * 3 * math.log2(8)
    decoded = np.asarray(codec.decode(params, codec.encode(params, clip)[..., :2]))
    assert scores["si_sdr_db/levels_2"] == pytest.approx(
        distortion.si_sdr_db(clip, decoded)[0], abs=1e-3
    )
    assert 1 <= scores["perplexity/level_2"] <= 8


def test_level_counts_are_powers_of_two_and_all():
    assert pretrain_soundstream.level_counts(12) == [1, 2, 4, 8, 12]
    assert pretrain_soundstream.level_counts(8) == [1, 2, 4, 8]
    assert pretrain_soundstream.level_counts(1) == [1]


def test_crops_shorter_than_a_window_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="crop_frames"):
        settings(tmp_path, "short", crop_frames=7)


def zeros(shapes):
    return jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes)


def test_either_family_loads_by_what_its_file_says(tmp_path):
    fields = dataclasses.asdict(SIZES)
    shapes = adapter.abstract_params(SIZES)
    path = tmp_path / "codec.safetensors"
    weights.save_weights(path, zeros(shapes), "soundstream", fields)
    codec, _ = codecs.load(path)
    assert isinstance(codec, adapter.SoundStream)
    weights.save_weights(path, zeros(shapes), "mulan", fields)
    with pytest.raises(errors.InputError, match="must hold a network of kind 'codec'"):
        codecs.load(path)
    spectral = dataclasses.asdict(spectral_config.CodecConfig())
    weights.save_weights(path, zeros(shapes), "codec", spectral)
    with pytest.raises(errors.InputError, match="must have just the network's leaves"):
        codecs.load(path)
