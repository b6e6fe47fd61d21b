"""Crops: where they are cut, what conditions them, and that steps repeat."""

import pathlib
from collections.abc import Iterable

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import (
    manifest,
    token_batches,
    token_cache,
    token_records,
    token_shards,
)

CLIPS, FRAMES, CROP = 6, 40, 8


@pytest.fixture
def cache(tmp_path: pathlib.Path) -> token_cache.TokenCache:
    return _write(tmp_path, captioned=range(CLIPS))


def _write(folder: pathlib.Path, captioned: Iterable[int]) -> token_cache.TokenCache:
    """Clip c's tokens at frame f are (100 c + f); codes name clip and kind."""
    windows = np.arange(4)[:, None] + 1
    clips = [
        token_records.TokenClip(
            row=manifest.ClipRow(
                path=f"{clip}.wav",
                duration_seconds=1.6,
                sample_rate_hz=16_000,
                captions=("a",) * (clip in captioned),
            ),
            tokens=_wide(100 * clip + np.arange(FRAMES)[:, None], 3),
            audio_codes=_wide(10 * clip + windows, 2),
            text_codes=np.full((int(clip in captioned), 2), 10 * clip, np.int16),
        )
        for clip in range(CLIPS)
    ]
    job = token_shards.ShardJob(folder=folder, shards=2, made_from={})
    job.begin()
    job.write(0, clips[:2])
    job.write(1, clips[2:])
    job.finish(job.records(), [0, 10, 20, 30], 10, {})
    return token_cache.TokenCache(folder)


def _wide(column: np.ndarray, width: int) -> np.ndarray:
    return np.repeat(column, width, axis=1).astype(np.int16)


def _batches(
    cache: token_cache.TokenCache, **changes: float
) -> token_batches.TokenBatches:
    fields = {
        "cache": cache,
        "clips": np.asarray([1, 3, 4]),
        "batch_size": 64,
        "frames": CROP,
    } | changes
    return token_batches.TokenBatches(**fields)


def test_crops_are_consecutive_frames_behind_the_frame_before(
    cache: token_cache.TokenCache,
) -> None:
    batch = _batches(cache).batch(0)
    tokens, offset = batch["tokens"], batch["offset"]
    assert tokens.shape == (64, CROP + 1, 3)
    clip, frame = np.divmod(tokens[..., 0], 100)
    assert set(clip.ravel()) == {1, 3, 4}
    np.testing.assert_array_equal(frame[:, 1], offset)
    np.testing.assert_array_equal(np.diff(frame[:, 1:], axis=1), 1)
    np.testing.assert_array_equal(frame[:, 0], np.maximum(offset - 1, 0))
    assert offset.max() <= FRAMES - CROP


def test_conditioning_is_of_the_crops_clip_and_of_a_window_that_covers_it(
    cache: token_cache.TokenCache,
) -> None:
    sound = _batches(cache, text_share=0.0).batch(0)
    clip, window = np.divmod(sound["conditioning"][:, 0], 10)
    np.testing.assert_array_equal(clip, sound["tokens"][:, 1, 0] // 100)
    # At least half of the crop lies in the window that was taken.
    start = (window - 1) * 10
    inside = np.minimum(start + 10, sound["offset"] + CROP) - np.maximum(
        start, sound["offset"]
    )
    assert inside.min() >= CROP / 2
    text = _batches(cache, text_share=1.0).batch(0)
    np.testing.assert_array_equal(
        text["conditioning"][:, 0], text["tokens"][:, 1, 0] // 100 * 10
    )


def test_clips_without_captions_are_conditioned_on_their_sound(
    tmp_path: pathlib.Path,
) -> None:
    batch = _batches(_write(tmp_path, captioned=[3]), text_share=1.0).batch(0)
    clip, kind = np.divmod(batch["conditioning"][:, 0], 10)
    np.testing.assert_array_equal(clip, batch["tokens"][:, 1, 0] // 100)
    np.testing.assert_array_equal(kind == 0, clip == 3)


def test_shares_of_captions_and_of_beginnings_are_as_set(
    cache: token_cache.TokenCache,
) -> None:
    source = _batches(cache, text_share=0.3, start_share=0.6, batch_size=2000)
    batch = source.batch(3)
    assert abs(np.mean(batch["conditioning"][:, 0] % 10 == 0) - 0.3) < 0.05
    by_chance = 0.4 / (FRAMES - CROP + 1)
    assert abs(np.mean(batch["offset"] == 0) - 0.6 - by_chance) < 0.05


def test_a_step_repeats_and_steps_differ(cache: token_cache.TokenCache) -> None:
    first, again, other = (_batches(cache).batch(step) for step in (5, 5, 6))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert (first["offset"] != other["offset"]).any()


def test_crops_longer_than_the_clips_are_refused(cache: token_cache.TokenCache) -> None:
    with pytest.raises(errors.InputError, match="shorten"):
        _batches(cache, frames=FRAMES + 1)
