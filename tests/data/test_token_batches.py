"""Crops: where they are cut, what conditions them, and that steps repeat."""

import dataclasses

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import manifest, token_batches, token_cache

CLIPS, FRAMES, CROP = 6, 40, 8


def _cache() -> token_cache.TokenCache:
    """Clip c's tokens at frame f are (100 c + f); codes name clip and kind."""
    rows = tuple(
        manifest.ClipRow(
            path=f"{i}.wav",
            duration_seconds=1.6,
            sample_rate_hz=16_000,
            captions=("a",),
        )
        for i in range(CLIPS)
    )
    clip = np.arange(CLIPS)
    tokens = 100 * clip[:, None, None] + np.arange(FRAMES)[None, :, None]
    audio = 10 * clip[:, None, None] + np.arange(4)[None, :, None] + 1
    return token_cache.TokenCache(
        rows=rows,
        tokens=np.broadcast_to(tokens, (CLIPS, FRAMES, 3)).astype(np.int16),
        audio_codes=np.broadcast_to(audio, (CLIPS, 4, 2)).astype(np.int16),
        audio_starts=np.asarray([0, 10, 20, 30], np.int32),
        window_frames=10,
        text_codes=np.broadcast_to(10 * clip[:, None], (CLIPS, 2)).astype(np.int16),
        text_starts=np.arange(CLIPS + 1, dtype=np.int32),
    )


def _batches(**changes: float) -> token_batches.TokenBatches:
    fields = {
        "cache": _cache(),
        "clips": np.asarray([1, 3, 4]),
        "batch_size": 64,
        "frames": CROP,
    } | changes
    return token_batches.TokenBatches(**fields)


def test_crops_are_consecutive_frames_behind_the_frame_before() -> None:
    batch = _batches().batch(0)
    tokens, offset = batch["tokens"], batch["offset"]
    assert tokens.shape == (64, CROP + 1, 3)
    clip, frame = np.divmod(tokens[..., 0], 100)
    assert set(clip.ravel()) == {1, 3, 4}
    np.testing.assert_array_equal(frame[:, 1], offset)
    np.testing.assert_array_equal(np.diff(frame[:, 1:], axis=1), 1)
    np.testing.assert_array_equal(frame[:, 0], np.maximum(offset - 1, 0))
    assert offset.max() <= FRAMES - CROP


def test_conditioning_is_of_the_crops_clip_and_of_a_window_that_covers_it() -> None:
    sound = _batches(text_share=0.0).batch(0)
    clip, window = np.divmod(sound["conditioning"][:, 0], 10)
    np.testing.assert_array_equal(clip, sound["tokens"][:, 1, 0] // 100)
    # At least half of the crop lies in the window that was taken.
    start = (window - 1) * 10
    inside = np.minimum(start + 10, sound["offset"] + CROP) - np.maximum(
        start, sound["offset"]
    )
    assert inside.min() >= CROP / 2
    text = _batches(text_share=1.0).batch(0)
    np.testing.assert_array_equal(
        text["conditioning"][:, 0], text["tokens"][:, 1, 0] // 100 * 10
    )


def test_clips_without_captions_are_conditioned_on_their_sound() -> None:
    cache = dataclasses.replace(
        _cache(),
        text_codes=np.full((1, 2), 30, np.int16),
        text_starts=np.asarray([0, 0, 0, 0, 1, 1, 1], np.int32),
    )
    batch = _batches(cache=cache, text_share=1.0).batch(0)
    clip, kind = np.divmod(batch["conditioning"][:, 0], 10)
    np.testing.assert_array_equal(clip, batch["tokens"][:, 1, 0] // 100)
    np.testing.assert_array_equal(kind == 0, clip == 3)


def test_shares_of_captions_and_of_beginnings_are_as_set() -> None:
    source = _batches(text_share=0.3, start_share=0.6, batch_size=2000)
    batch = source.batch(3)
    assert abs(np.mean(batch["conditioning"][:, 0] % 10 == 0) - 0.3) < 0.05
    by_chance = 0.4 / (FRAMES - CROP + 1)
    assert abs(np.mean(batch["offset"] == 0) - 0.6 - by_chance) < 0.05


def test_a_step_repeats_and_steps_differ() -> None:
    first, again, other = (_batches().batch(step) for step in (5, 5, 6))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert (first["offset"] != other["offset"]).any()


def test_crops_longer_than_the_clips_are_refused() -> None:
    with pytest.raises(errors.InputError, match="shorten"):
        _batches(frames=FRAMES + 1)
