"""Degraded clips and simulated ratings: complete, repeatable, labelled, resumable."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, ratings
from musicrl_jax.models.codec import adapter as codec_adapter
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.runs import degradation_corpus

RATE = 16_000
CODEC = codec_config.CodecConfig(
    fft_size=256, hop=64, num_mels=16, width=8, encoder_depth=1, code_depth=1,
    frame_depth=1, levels=2, codebook_size=4, code_width=4, refine_iterations=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    rows = []
    for number, split in enumerate(("train", "held_out_combination", "train")):
        noise = np.random.default_rng(number).normal(0, 0.1, 6_000)
        waveform.write_wav(folder / f"{number}.wav", noise, RATE)
        rows.append(
            manifest.ClipRow(
                path=f"{number}.wav",
                duration_seconds=0.375,
                sample_rate_hz=RATE,
                captions=("noise",),
                split=split,
            )
        )
    manifest.write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def settings(recordings, out, **changes):
    fields = {"versions": 2, "seconds": 0.25} | changes
    return degradation_corpus.DegradationCorpusConfig(
        manifest=str(recordings), out_dir=str(out), **fields
    )


def test_every_recording_has_every_fault_and_each_clip_three_scores(
    recordings, tmp_path
):
    told = []
    config = settings(recordings, tmp_path)
    path = degradation_corpus.run(config, lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
    read = ratings.read_ratings(path)
    assert read.simulated
    assert "simulated" in path.name
    kinds = ["noise", "clipping", "band_limit", "drop_outs"]
    origins = ["clean"] + [kind for kind in kinds for _ in range(2)]
    assert [clip.origin for clip in read.clips] == origins * 3
    assert {len(set(clip.raters)) for clip in read.clips} == {3}
    held_out = {clip.split for clip in read.clips[9:18]}
    assert held_out == {"held_out"}
    assert {clip.split for clip in read.clips[:9] + read.clips[18:]} == {"train"}
    for clip in read.clips:
        assert (clip.strength == 0) == (clip.origin == "clean")
        assert waveform.read_audio(pathlib.Path(clip.path), RATE).shape == (4_000,)
    record = json.loads((tmp_path / degradation_corpus.SETTINGS).read_text())
    assert record["simulated"] is True


def test_a_stopped_run_goes_on_to_the_same_files(recordings, tmp_path):
    config = settings(recordings, tmp_path / "a")
    path = degradation_corpus.run(config)
    files = {clip.name: clip.read_bytes() for clip in (tmp_path / "a/clips").iterdir()}
    first = path.read_bytes()
    path.unlink()
    (tmp_path / "a/clips/000001_noise_0.flac").unlink()
    degradation_corpus.run(config)
    other = degradation_corpus.run(settings(recordings, tmp_path / "b"))
    assert path.read_bytes() == other.read_bytes() == first
    for folder in ("a", "b"):
        again = (tmp_path / folder / "clips").iterdir()
        assert {clip.name: clip.read_bytes() for clip in again} == files
    with pytest.raises(errors.InputError, match="Set another"):
        degradation_corpus.run(settings(recordings, tmp_path / "a", seed=1))


def _pairs(made):
    """Returns the two versions of each recording, the weaker fault first."""
    pairs = [made[i : i + 2] for i in range(0, len(made), 2)]
    return [sorted(two, key=lambda clip: clip.strength) for two in pairs]


def test_a_codecs_levels_are_faults(recordings, tmp_path):
    abstract = codec_adapter.abstract_params(CODEC)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(np.float32), abstract
    )
    path = tmp_path / "codec.safetensors"
    weights.save_weights(path, params, "codec", dataclasses.asdict(CODEC))
    config = settings(recordings, tmp_path / "out", codec=str(path))
    read = ratings.read_ratings(degradation_corpus.run(config))
    made = [clip for clip in read.clips if clip.origin == "codec"]
    assert {clip.strength for clip in made} == {0.5, 1.0}
    one, other = (
        waveform.read_audio(pathlib.Path(clip.path), RATE)
        for clip in next(
            two for two in _pairs(made) if two[0].strength < two[1].strength
        )
    )
    assert np.abs(one - other).max() > 0.01
    with pytest.raises(errors.InputError, match="the codec's 16000"):
        degradation_corpus.run(
            dataclasses.replace(config, sample_rate_hz=8_000, out_dir=str(tmp_path))
        )


@pytest.mark.parametrize(
    "fields",
    [{"versions": 0}, {"seconds": 0.0}, {"seconds": float("inf")}, {"seed": -1}],
)
def test_bad_configs_are_refused(tmp_path, fields):
    with pytest.raises(errors.InputError, match="DegradationCorpusConfig"):
        settings("manifest.jsonl", tmp_path, **fields)
