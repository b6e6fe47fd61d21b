"""Crops are a function of the step, lie where they say, and cover the corpus."""

import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import crops, manifest


def ramps():
    """Three clips whose samples tell clip and place; the last is short."""
    lengths = (1000, 700, 30)
    return [
        np.arange(n, dtype=np.int16) + 5000 * clip for clip, n in enumerate(lengths)
    ]


def reader(**changes):
    return crops.CropReader(
        **({"clips": ramps(), "crop": 50, "batch_size": 64, "seed": 3} | changes)
    )


def test_a_crop_is_the_part_of_the_clip_that_it_names():
    batch = reader().batch(5)
    for row, clip, start in zip(
        *(batch[n] for n in ("waveform", "clip", "start")), strict=True
    ):
        part = crops.to_float(ramps()[clip][start : start + 50])
        np.testing.assert_array_equal(row[: len(part)], part)
        np.testing.assert_array_equal(row[len(part) :], 0.0)
    assert set(batch["clip"]) == {0, 1, 2}


def test_steps_repeat_whatever_came_before_and_differ():
    first, second = reader(), reader()
    second.batch(0)
    np.testing.assert_array_equal(
        first.batch(7)["waveform"], second.batch(7)["waveform"]
    )
    assert not np.array_equal(first.batch(7)["start"], first.batch(8)["start"])
    assert not np.array_equal(first.batch(7)["start"], reader(seed=4).batch(7)["start"])


def test_first_and_last_places_are_drawn():
    places = np.concatenate(
        [reader(clips=ramps()[:1], crop=990).batch(i)["start"] for i in range(8)]
    )
    assert set(places) == set(range(11))


def test_loading_keeps_order_and_samples(tmp_path):
    rng = np.random.default_rng(0)
    waves = [rng.uniform(-0.9, 0.9, size=400 + i) for i in range(3)]
    rows = []
    for i, wave in enumerate(waves):
        waveform.write_wav(tmp_path / f"{i}.flac", wave, 16_000)
        rows.append(
            manifest.ClipRow(
                path=str(tmp_path / f"{i}.flac"),
                duration_seconds=0.02,
                sample_rate_hz=16_000,
                captions=("noise",),
            )
        )
    seen = []
    clips = crops.load_clips(
        rows, 16_000, lambda done, total: seen.append((done, total))
    )
    for wave, clip in zip(waves, clips, strict=True):
        np.testing.assert_allclose(crops.to_float(clip), wave, atol=2 / 32_767)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_no_clips_are_refused():
    with pytest.raises(errors.InputError, match="needs clips"):
        reader(clips=[])
