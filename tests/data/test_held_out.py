"""Held-out clips: those that cannot be measured are listed and replaced."""

import json

import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import crops, held_out, manifest

RATE = 8_000


def corpus(folder, lengths, training=0):
    """Clips of `lengths` samples, each of a level of its own; None is no audio."""
    rows = []
    for number, length in enumerate(lengths):
        path = folder / f"{number}.wav"
        if length is None:
            path.write_bytes(b"no audio")
        else:
            waveform.write_wav(path, np.full(length, (number + 1) / 10), RATE)
        rows.append(row(path, "held_out"))
    rows += [row(folder / "not_read.wav", "train")] * training
    return manifest.Manifest(rows=tuple(rows), problems=())


def row(path, split):
    return manifest.ClipRow(
        path=str(path), duration_seconds=0.5, sample_rate_hz=RATE, split=split
    )


def load(folder, found, **changes):
    settings = {"count": 2, "shortest": 500, "listed": folder / "run" / "out.jsonl"}
    return held_out.load(found, RATE, **(settings | changes))


def test_the_first_clips_are_read(tmp_path):
    clips = load(tmp_path, corpus(tmp_path, [600, 500, None]))
    assert [len(clip) for clip in clips] == [600, 500]
    levels = [crops.to_float(clip).mean() for clip in clips]
    np.testing.assert_allclose(levels, [0.1, 0.2], atol=1e-4)
    assert not (tmp_path / "run").exists()


def test_unreadable_and_short_clips_are_listed_and_replaced(tmp_path):
    found = corpus(tmp_path, [None, 499, 600, 100, 700, 800], training=14)
    clips = load(tmp_path, found)
    levels = [crops.to_float(clip).mean() for clip in clips]
    np.testing.assert_allclose(levels, [0.3, 0.5], atol=1e-4)
    text = (tmp_path / "run" / "out.jsonl").read_text(encoding="utf-8")
    listed = [json.loads(line) for line in text.splitlines()]
    assert [entry["row"] for entry in listed] == [1, 2, 4]
    assert listed[0]["name"] == str(tmp_path / "0.wav")
    assert "readable" in listed[0]["reason"]
    assert "499 samples" in listed[1]["reason"]


def test_too_many_unreadable_clips_of_the_corpus_are_refused(tmp_path):
    found = corpus(tmp_path, [None, 600, 600], training=16)
    with pytest.raises(errors.InputError, match="18 good and 1 bad"):
        load(tmp_path, found)


def test_a_corpus_of_short_held_out_clips_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match=r"0\.06 s.*none is.*held_out_share"):
        load(tmp_path, corpus(tmp_path, [100, 499], training=8))


def test_nothing_is_read_where_nothing_is_measured(tmp_path):
    assert load(tmp_path, corpus(tmp_path, [100]), count=0) == []
