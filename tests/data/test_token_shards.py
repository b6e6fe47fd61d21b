"""Shards: what is finished stays, what is not is done again, and all is found."""

import json

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import manifest, token_cache, token_records, token_shards


def clip(number):
    return token_records.TokenClip(
        row=manifest.ClipRow(
            path=f"{number}.flac",
            duration_seconds=4.0,
            sample_rate_hz=16_000,
            captions=tuple(f"caption {number} {i} é" for i in range(number % 3)),
            split="train" if number % 2 else "held_out",
        ),
        tokens=np.full((100, 5), number, np.int16),
        audio_codes=np.full((3, 4), 10 + number, np.int16),
        text_codes=np.full((number % 3, 4), 20 + number, np.int16),
    )


def job(folder, **fields):
    settings = {"shards": 3, "made_from": {"clips": "abc"}} | fields
    return token_shards.ShardJob(folder=folder, **settings)


def write(folder, sizes=(4, 0, 3)):
    work = job(folder, shards=len(sizes))
    assert not work.begin()
    first = 0
    for number, size in enumerate(sizes):
        work.write(number, map(clip, range(first, first + size)))
        first += size
    work.finish(work.records(), [0, 25, 50], 50, {"too_short": 2})
    return token_cache.TokenCache(folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_clip_is_found_by_its_number(tmp_path):
    cache = write(tmp_path / "deep" / "tokens")
    assert len(cache) == 7
    for number, found in enumerate(cache.clips(range(7))):
        assert found.row == clip(number).row
        np.testing.assert_array_equal(found.tokens, number)
        assert found.text_codes.tolist() == [[20 + number] * 4] * (number % 3)
    assert [found.row.path for found in cache.clips([6, 0, 6])] == [
        "6.flac",
        "0.flac",
        "6.flac",
    ]
    assert cache.clip(5).row == clip(5).row
    with pytest.raises(IndexError):
        cache.clip(7)


def test_the_index_tells_of_clips_that_are_not_read(tmp_path):
    cache = write(tmp_path)
    assert cache.where("train").tolist() == [bool(number % 2) for number in range(7)]
    assert cache.where("train", "held_out").all()
    index = cache.index
    assert (index.frames, index.window_frames, index.conditioning_tokens) == (
        100,
        50,
        4,
    )
    assert index.largest_tokens == (6,) * 5
    assert index.left_out == {"too_short": 2}
    assert sorted(contents(tmp_path)) == [
        "index.json",
        *(f"tokens-0000{number}-of-00003.array_record" for number in range(3)),
    ]


@pytest.mark.parametrize(
    ("start", "frames", "expected"),
    [(0, 20, [0]), (30, 20, [0, 1]), (80, 20, [2]), (0, 100, [0, 1, 2]), (40, 30, [1])],
)
def test_a_crop_finds_the_windows_it_shares_most_frames_with(
    tmp_path, start, frames, expected
):
    assert write(tmp_path).overlapping(start, frames).tolist() == expected


def test_a_job_goes_on_after_its_finished_shards(tmp_path):
    whole = write(tmp_path / "whole")

    def failing():
        yield clip(4)
        raise RuntimeError("power cut")

    broken = job(tmp_path / "broken")
    broken.begin()
    broken.write(0, map(clip, range(4)))
    with pytest.raises(RuntimeError):
        broken.write(2, failing())
    kept = broken.path(0).stat().st_ino
    with pytest.raises(errors.InputError, match="goes on where it was stopped"):
        token_cache.TokenCache(tmp_path / "broken")

    again = job(tmp_path / "broken")
    assert not again.begin()
    assert [again.finished(i) is not None for i in range(3)] == [True, False, False]
    again.write(1, [])
    again.write(2, map(clip, range(4, 7)))
    assert (
        again.finish(again.records(), [0, 25, 50], 50, {"too_short": 2}) == whole.index
    )
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    assert again.path(0).stat().st_ino == kept
    assert again.begin()


def test_a_shard_that_was_changed_is_not_finished(tmp_path):
    work = job(tmp_path)
    work.begin()
    work.write(0, [clip(0)])
    work.path(0).write_bytes(work.path(0).read_bytes()[:-1])
    assert work.finished(0) is None


def remove(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [remove, cut, flip_a_bit])
@pytest.mark.parametrize("early", [False, True])
def test_a_finished_corpus_gets_its_damaged_shard_again(tmp_path, harm, early):
    write(tmp_path)
    before, work = contents(tmp_path), job(tmp_path)
    kept = work.path(0).stat().st_ino
    if early:
        forget_records(tmp_path / token_cache.INDEX)
    assert work.begin()
    harm(work.path(2))
    for _ in range(2):  # also after a kill
        assert not work.begin()
    with pytest.raises(errors.InputError, match="goes on where it was stopped"):
        token_cache.TokenCache(tmp_path)
    unfinished = [number for number in range(3) if work.finished(number) is None]
    assert unfinished == ([0, 1, 2] if early else [2])
    for number in unfinished:
        work.write(number, map(clip, (range(4), range(0), range(4, 7))[number]))
    work.finish(work.records(), [0, 25, 50], 50, {"too_short": 2})
    assert contents(tmp_path) == before
    assert (work.path(0).stat().st_ino == kept) is not early
    assert work.begin()


def forget_records(index):
    """Makes an index one that an early version wrote."""
    fields = json.loads(index.read_text())
    for shard in fields["shards"]:
        for name in ("shapes", "largest_tokens", "problems"):
            del shard[name]
    index.write_text(json.dumps(fields))


def test_a_folder_begun_from_something_else_is_refused(tmp_path):
    job(tmp_path / "begun").begin()
    write(tmp_path / "done")
    for folder in ("begun", "done"):
        with pytest.raises(errors.InputError, match="from other clips than"):
            job(tmp_path / folder, made_from={"clips": "other"}).begin()
        with pytest.raises(errors.InputError, match="from other shards than"):
            job(tmp_path / folder, shards=9).begin()


def test_clips_of_two_shapes_are_refused(tmp_path):
    work = job(tmp_path, shards=1)
    work.begin()
    odd = token_records.TokenClip(
        row=clip(0).row,
        tokens=np.zeros((99, 5), np.int16),
        audio_codes=np.zeros((3, 4), np.int16),
        text_codes=np.zeros((0, 4), np.int16),
    )
    work.write(0, [clip(0), odd])
    with pytest.raises(errors.InputError, match="of one shape"):
        work.finish(work.records(), [0], 50, {})


@pytest.mark.parametrize("damage", ["missing", "cut", "index", "empty"])
def test_damaged_corpora_are_refused_when_opened(tmp_path, damage):
    write(tmp_path)
    shard = tmp_path / "tokens-00000-of-00003.array_record"
    index = tmp_path / "index.json"
    if damage == "missing":
        shard.unlink()
    elif damage == "cut":
        shard.write_bytes(shard.read_bytes()[:-100])
    elif damage == "index":
        index.write_text("{")
    else:
        fields = json.loads(index.read_text()) | {"shards": []}
        index.write_text(json.dumps(fields))
    with pytest.raises(errors.InputError, match=r"again|musicrl tokenize"):
        token_cache.TokenCache(tmp_path)


def test_a_changed_bit_is_found_when_the_clip_is_read(tmp_path):
    cache = write(tmp_path)
    shard = tmp_path / "tokens-00000-of-00003.array_record"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    cache = token_cache.TokenCache(tmp_path)
    assert cache.clip(5).row == clip(5).row
    with pytest.raises(errors.InputError, match="tokens-00000-of-00003"):
        cache.clips([0, 1, 2, 3])
