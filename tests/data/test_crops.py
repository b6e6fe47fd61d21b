"""Crops are a function of the step, lie where they say, and cover the corpus."""

import json

import numpy as np
import pytest
import soundfile

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import clip_sources, crops, manifest

RATE = 16_000


def ramps():
    """Three clips whose samples tell clip and place; the last is short."""
    lengths = (1000, 700, 30)
    return [
        np.arange(n, dtype=np.int16) + 5000 * clip for clip, n in enumerate(lengths)
    ]


def config(**changes):
    return crops.CropConfig(**({"crop": 50, "batch_size": 64, "seed": 3} | changes))


def reader(clips=None, **changes):
    clips = clip_sources.ClipsInMemory(clips=clips or ramps())
    return crops.CropReader(clips, config(**changes))


def row(path, seconds=0.5):
    return manifest.ClipRow(
        path=str(path), duration_seconds=seconds, sample_rate_hz=RATE, captions=()
    )


@pytest.fixture
def files(tmp_path):
    """Ten readable clips of other rates, and in their middle one that is not."""
    generator = np.random.default_rng(0)
    for number, rate in enumerate((8_000, 22_050, 44_100, 16_000, 48_000) * 2):
        sound = generator.uniform(-1.2, 1.2, (rate // 2 + number, 1 + number % 2))
        soundfile.write(tmp_path / f"{number}.flac", sound, rate)
    (tmp_path / "4b.flac").write_bytes(b"no audio")
    return [row(path) for path in sorted(tmp_path.glob("*.flac"))]


def test_a_crop_is_the_part_of_the_clip_that_it_names():
    batch = reader().batch(5)
    for samples, clip, start in zip(
        *(batch[n] for n in ("waveform", "clip", "start")), strict=True
    ):
        part = crops.to_float(ramps()[clip][start : start + 50])
        np.testing.assert_array_equal(samples[: len(part)], part)
        np.testing.assert_array_equal(samples[len(part) :], 0.0)
    assert set(batch["clip"]) == {0, 1, 2}


def test_steps_repeat_whatever_came_before_and_differ():
    first, second = reader(), reader()
    for step in (0, 1, 9, 2):
        second.batch(step)
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


def test_files_give_the_same_as_memory(files, tmp_path):
    fields = {"crop": 3000, "max_bad_share": 0.2}
    small = crops.open_reader(files, RATE, config(**fields, in_memory_gb=1.0))
    large = crops.open_reader(files, RATE, config(**fields, in_memory_gb=0.0))
    for step in (0, 3):
        for name, value in small.batch(step).items():
            np.testing.assert_array_equal(value, large.batch(step)[name], name)
    assert 2 not in {problem.row for problem in small.problems}


@pytest.mark.parametrize("in_memory_gb", [0.0, 1.0])
def test_an_unreadable_clip_is_counted_listed_and_replaced(
    files, tmp_path, in_memory_gb
):
    listed = tmp_path / "run" / "unreadable.jsonl"
    fields = {"max_bad_share": 0.2, "in_memory_gb": in_memory_gb}
    mixed = crops.open_reader(files, RATE, config(**fields), listed=listed)
    found = [mixed.batch(step)["clip"] for step in range(3)]
    names = [file.path.rsplit("/", 1)[-1] for file in files]
    bad = names.index("4b.flac")
    drawn = [
        np.random.default_rng([3, step]).integers(11, size=64) for step in range(3)
    ]
    for clips, wanted in zip(found, drawn, strict=True):
        np.testing.assert_array_equal(clips, np.where(wanted == bad, bad + 1, wanted))
    assert [problem.row for problem in mixed.problems] == [bad + 1]
    (line,) = listed.read_text().splitlines()
    assert "4b.flac must be a readable audio file" in json.loads(line)["reason"]


def test_too_many_unreadable_clips_are_refused(files, tmp_path):
    strict = crops.open_reader(
        files, RATE, config(max_bad_share=0.05, in_memory_gb=0.0)
    )
    with pytest.raises(errors.InputError, match="10 good and 1 bad"):
        [strict.batch(step) for step in range(20)]
    nothing = [row(tmp_path / "absent.wav")]
    with pytest.raises(errors.InputError, match="0 good and 1 bad"):
        crops.open_reader(nothing, RATE, config(max_bad_share=1.0)).batch(0)


@pytest.mark.parametrize("count", [2, 4])
def test_processes_make_the_parts_of_one_batch(files, count):
    fields = {"in_memory_gb": 0.0, "max_bad_share": 0.2, "batch_size": 8}
    whole = crops.open_reader(files, RATE, config(**fields)).batch(6)
    parts = [
        crops.open_reader(
            files, RATE, config(**fields, process_index=i, process_count=count)
        ).batch(6)
        for i in range(count)
    ]
    for name, value in whole.items():
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), value)


def test_loading_keeps_order_and_samples(tmp_path):
    rng = np.random.default_rng(0)
    waves = [rng.uniform(-0.9, 0.9, size=400 + i) for i in range(3)]
    for i, wave in enumerate(waves):
        waveform.write_wav(tmp_path / f"{i}.flac", wave, RATE)
    rows = [row(tmp_path / f"{i}.flac") for i in range(3)]
    seen = []
    loaded = clip_sources.load(rows, RATE, lambda *done: seen.append(done))
    for wave, clip in zip(waves, loaded.clips, strict=True):
        np.testing.assert_allclose(crops.to_float(clip), wave, atol=2 / 32_767)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_no_clips_are_refused():
    with pytest.raises(errors.InputError, match="needs clips"):
        crops.open_reader([], RATE, config())


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"crop": 0}, "crop"),
        ({"process_count": 3}, "divide"),
        ({"process_index": 2, "process_count": 2}, "process_index"),
        ({"max_bad_share": 1.5}, "max_bad_share"),
    ],
)
def test_impossible_settings_are_refused(fields, word):
    with pytest.raises(errors.InputError, match=word):
        config(**fields)
