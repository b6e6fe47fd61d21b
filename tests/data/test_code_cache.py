"""The code cache: shards, going on after a stop, crops, refusals."""

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import code_cache, manifest

CLIPS, FRAMES = 2 * code_cache.CLIPS_PER_SHARD + 3, 6
MADE_BY = {"levels": 2, "networks": "abc"}


def rows(count=CLIPS):
    return [
        manifest.ClipRow(
            path=f"{number}.wav",
            duration_seconds=1.0,
            sample_rate_hz=8_000,
            captions=(),
            split="train" if number % 2 else "held_out",
        )
        for number in range(count)
    ]


def encode(part):
    """Codes that say their clip, frame and column."""
    clip = np.asarray([int(row.path.split(".")[0]) for row in part])
    place = 10 * np.arange(FRAMES)[:, None] + np.arange(3)
    return (100 * clip[:, None, None] + place).astype(np.int16)


def test_crops_are_what_was_encoded(tmp_path):
    cache = code_cache.build(tmp_path, rows(), MADE_BY, encode)
    assert [len(shard) for shard in cache.shards] == [64, 64, 3]
    assert (cache.frames, cache.levels) == (FRAMES, 2)
    for clip in (0, 63, 64, CLIPS - 1):
        found = cache.crop(clip, 2, 3)
        wanted = 100 * clip + 10 * np.arange(2, 5)
        np.testing.assert_array_equal(found["codes"], wanted[:, None] + np.arange(2))
        np.testing.assert_array_equal(found["semantic"], wanted + 2)
    assert cache.where("held_out").sum() == (CLIPS + 1) // 2


def test_a_stopped_build_goes_on_where_it_was(tmp_path):
    asked = []

    def stops(part):
        asked.append(len(part))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return encode(part)

    with pytest.raises(KeyboardInterrupt):
        code_cache.build(tmp_path, rows(), MADE_BY, stops)
    cache = code_cache.build(tmp_path, rows(), MADE_BY, stops)
    assert asked == [64, 64, 64, 3]
    np.testing.assert_array_equal(cache.shards[1], encode(rows()[64:128]))


def test_codes_of_another_codec_or_corpus_are_refused(tmp_path):
    code_cache.build(tmp_path, rows(), MADE_BY, encode)
    for clips, made_by in ((CLIPS - 1, MADE_BY), (CLIPS, MADE_BY | {"levels": 3})):
        with pytest.raises(errors.InputError, match="made from others"):
            code_cache.build(tmp_path, rows(clips), made_by, encode)


def test_a_batch_is_a_function_of_the_step(tmp_path):
    cache = code_cache.build(tmp_path, rows(), MADE_BY, encode)
    batches = code_cache.CodeBatches(
        cache=cache, clips=[3, 65, 130], batch_size=50, frames=4, seed=1
    )
    batch = batches.batch(7)
    assert batch["codes"].shape == (50, 4, 2)
    assert set(batch["codes"][:, 0, 0] // 100) == {3, 65, 130}
    starts = batch["codes"][:, 0, 0] % 100 // 10
    assert set(starts) == {0, 1, 2}
    np.testing.assert_array_equal(batch["codes"][:, :, 0] + 2, batch["semantic"])
    np.testing.assert_array_equal(batches.batch(7)["codes"], batch["codes"])
    assert (batches.batch(8)["codes"] != batch["codes"]).any()


def test_crops_longer_than_clips_are_refused(tmp_path):
    cache = code_cache.build(tmp_path, rows(), MADE_BY, encode)
    with pytest.raises(errors.InputError, match="crops of 7"):
        code_cache.CodeBatches(cache=cache, clips=[1], batch_size=1, frames=7)
