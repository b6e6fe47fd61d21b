"""The tokenised corpus on disk, and how crops find their windows."""

import dataclasses

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import manifest, token_cache


def _row(number: int, split: str, captions: int) -> manifest.ClipRow:
    return manifest.ClipRow(
        path=f"{number}.flac",
        duration_seconds=4.0,
        sample_rate_hz=16_000,
        captions=tuple(f"caption {number} {i} é" for i in range(captions)),
        attributes={"genre": "tango"},
        split=split,
    )


def _cache() -> token_cache.TokenCache:
    generator = np.random.default_rng(0)
    return token_cache.TokenCache(
        rows=(_row(0, "train", 2), _row(1, "held_out", 3), _row(2, "train", 1)),
        tokens=generator.integers(0, 256, (3, 100, 5)).astype(np.int16),
        audio_codes=generator.integers(0, 256, (3, 3, 4)).astype(np.int16),
        audio_starts=np.asarray([0, 25, 50], np.int32),
        window_frames=50,
        text_codes=np.arange(24, dtype=np.int16).reshape(6, 4),
        text_starts=np.asarray([0, 2, 5, 6], np.int32),
    )


def test_what_is_saved_is_read(tmp_path):
    cache = _cache()
    token_cache.save(tmp_path / "deep" / "tokens.npz", cache)
    again = token_cache.load(tmp_path / "deep" / "tokens.npz")
    assert again.rows == cache.rows
    assert again.window_frames == 50
    for name in ("tokens", "audio_codes", "audio_starts", "text_codes", "text_starts"):
        np.testing.assert_array_equal(getattr(again, name), getattr(cache, name))
        assert getattr(again, name).dtype == getattr(cache, name).dtype
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["tokens.npz"]


def test_captions_and_splits_belong_to_their_clip():
    cache = _cache()
    np.testing.assert_array_equal(cache.texts(1), cache.text_codes[2:5])
    assert [len(cache.texts(i)) for i in range(3)] == [
        len(row.captions) for row in cache.rows
    ]
    assert cache.where("train").tolist() == [True, False, True]
    assert cache.where("train", "held_out").all()


@pytest.mark.parametrize(
    ("start", "frames", "expected"),
    [(0, 20, [0]), (30, 20, [0, 1]), (80, 20, [2]), (0, 100, [0, 1, 2]), (40, 30, [1])],
)
def test_a_crop_finds_the_windows_it_shares_most_frames_with(start, frames, expected):
    assert _cache().overlapping(start, frames).tolist() == expected


def test_a_cache_whose_parts_disagree_is_refused():
    cache = _cache()
    with pytest.raises(errors.InputError, match="Tokenise the corpus again"):
        dataclasses.replace(cache, rows=cache.rows[:2])


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "tokens.npz"
    token_cache.save(path, _cache())
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(errors.InputError, match="must be a token cache"):
        token_cache.load(path)
    with pytest.raises(errors.InputError, match="must be a token cache"):
        token_cache.load(tmp_path / "missing.npz")
