"""Codec passes and reference clips, with a codec that rounds."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.runs import reconstruction, references


@dataclasses.dataclass(frozen=True)
class Rounding:
    """One code a frame: the mean of its 16 samples in 64 steps."""

    sample_rate_hz: int = 1600
    samples_per_frame: int = 16

    def encode(self, params, waveform):
        means = waveform.reshape(len(waveform), -1, 16).mean(-1, keepdims=True)
        return jnp.round((means + 1) * 31.5).astype(jnp.int32)

    def decode(self, params, codes):
        return jnp.repeat(codes[..., 0] / 31.5 - 1, 16, axis=1)


CODEC = reconstruction.Reconstructor(codec=Rounding(), params={}, codebook_size=64)


def steps(clips, frames, seed=0):
    values = np.random.default_rng(seed).uniform(-1, 1, (clips, frames))
    return np.repeat(values, 16, axis=1).astype(np.float32)


def test_reconstruction_keeps_rows_and_cuts_to_whole_frames():
    clips = np.concatenate([steps(11, 5), np.zeros((11, 7), np.float32)], axis=1)
    out = CODEC(clips)
    assert out.shape == (11, 80)
    np.testing.assert_allclose(out, clips[:, :80], atol=1 / 60)


def test_disturbed_codes_differ_in_the_share_that_is_asked_for():
    codes = np.zeros((200, 50, 4), np.int64)
    generator = np.random.default_rng(1)
    out = reconstruction.disturbed(codes, 64, generator, largest_share=0.4)
    wrong = (out != 0).mean(axis=(0, 1))
    expected = np.array([0.05, 0.2, 0.2, 0.2]) * 63 / 64
    np.testing.assert_allclose(wrong, expected, atol=0.02)
    assert out.min() >= 0
    assert out.max() == 63


@pytest.fixture
def rows(tmp_path):
    found = []
    for number, (genre, split) in enumerate(
        [
            ("tango", "held_out"),
            ("tango", "held_out"),
            ("house", "held_out"),
            ("x", "train"),
        ]
    ):
        path = tmp_path / f"{number}.wav"
        waveform.write_wav(path, steps(1, 150, seed=number)[0], 1600)
        found.append(
            manifest.ClipRow(
                path=str(path),
                duration_seconds=1.5,
                sample_rate_hz=1600,
                captions=(f"a {genre} {number}",),
                attributes={"genre": genre},
                split=split,
            )
        )
    return found


def test_references_hold_what_was_held_out(rows, tmp_path):
    references.write(tmp_path, rows, CODEC, seed=0, count=2, seconds=1.0)
    found = references.read(tmp_path, 1600)
    # Genres take turns, so two clips are of two genres.
    assert {prompt.attributes["genre"] for prompt in found.prompts} == {
        "tango",
        "house",
    }
    assert found.codes.shape == (2, 100, 1)
    half = references.decoded(found, CODEC, seconds=0.5)
    assert half.shape == (2, 800)
    for clip, recording in zip(half, found.recordings, strict=True):
        np.testing.assert_allclose(clip, CODEC(recording[None])[0, :800], atol=0.04)


def test_damaged_references(rows, tmp_path):
    with pytest.raises(errors.InputError, match="cannot be read"):
        references.read(tmp_path, 1600)
    references.write(tmp_path, rows, CODEC, seed=0, count=2, seconds=1.0)
    (tmp_path / references.ABOUT).write_text(json.dumps({"clips": [{"no": 1}]}))
    with pytest.raises(errors.InputError, match="cannot be read"):
        references.read(tmp_path, 1600)
    with pytest.raises(errors.InputError, match="held_out"):
        references.write(tmp_path, rows[3:], CODEC, seed=0)
