"""Which clips of a manifest a network learns from."""

import dataclasses
import mmap

import numpy as np
import pytest

from musicrl_jax.audio import spectrogram, waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.runs import mel_corpus

MELS = spectrogram.MelConfig(fft_size=640, hop=320, num_mels=8)
CLIPS = (
    ("a", 0.5, ("a waltz",), "train"),
    ("b", 0.5, (), "train"),
    ("c", 0.1, ("short",), "train"),
    ("d", 0.5, ("a tango",), "held_out"),
    ("e", 0.5, (), "held_out"),
)


@pytest.fixture
def path(tmp_path):
    rows = []
    for name, seconds, captions, split in CLIPS:
        sound = np.zeros(int(seconds * 16_000), np.float32)
        waveform.write_wav(tmp_path / f"{name}.wav", sound, 16_000)
        rows.append(
            manifest.ClipRow(
                path=f"{name}.wav",
                duration_seconds=seconds,
                sample_rate_hz=16_000,
                captions=captions,
                split=split,
            )
        )
    manifest.write_manifest(tmp_path / "manifest.jsonl", rows)
    return tmp_path / "manifest.jsonl"


@pytest.mark.parametrize(("captioned", "names"), [(False, "abde"), (True, "ad")])
def test_short_clips_and_those_without_captions_are_left_out(path, captioned, names):
    corpus = mel_corpus.load(path, MELS, min_frames=20, captioned=captioned)
    rows = corpus.train + corpus.held_out
    assert [row.path.removesuffix(".wav")[-1] for row in rows] == list(names)
    assert len(corpus.train_mels) == len(corpus.train)
    assert len(corpus.held_out_mels) == len(corpus.held_out)


def test_the_level_is_that_of_every_seventh_frame_of_all_clips(path):
    generator = np.random.default_rng(0)
    mels = tuple(
        generator.normal(-4.0, 3.0, (frames, 8)).astype(np.float16)
        for frames in (30, 50, 11)
    )
    corpus = mel_corpus.load(path, MELS)
    corpus = dataclasses.replace(corpus, train_mels=mels)
    values = np.concatenate([mel[::7] for mel in mels]).astype(np.float64)
    assert corpus.level() == (round(values.mean(), 2), round(values.std(), 2))


def test_spectrograms_lie_in_a_file_and_not_in_memory(path):
    corpus = mel_corpus.load(path, MELS)
    for mel in corpus.train_mels + corpus.held_out_mels:
        owner = mel
        while isinstance(owner, np.ndarray):
            owner = owner.base
        assert isinstance(owner, mmap.mmap)


def test_a_split_without_clips_is_refused(path):
    with pytest.raises(errors.InputError, match=r"captioned clips of 1\.00 s"):
        mel_corpus.load(path, MELS, min_frames=50, captioned=True)


def test_only_training_clips_of_further_corpora_are_added(path):
    alone = mel_corpus.load(path, MELS)
    both = mel_corpus.load(path, MELS, more=[path])
    assert both.train == alone.train * 2
    assert both.held_out == alone.held_out
    assert len(both.train_mels) == 2 * len(alone.train_mels)
