import json
import pathlib
import random

import hypothesis
import numpy as np
import pytest
import soundfile
from hypothesis import strategies

from musicrl_jax.core import errors
from musicrl_jax.data import splits
from musicrl_jax.data.readers import audio_folder, items, joining

RATE = 8_000


def _sound(root, *paths, seconds=0.5):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / path, np.zeros(int(seconds * RATE), "f4"), RATE)


def _item(row, place, **fields):
    return items.Item(
        **({"row": row, "identity": str(row), "places": (place,)} | fields)
    )


def _join(root, found, base=None, **fields):
    folder = audio_folder.AudioFolder(root)
    joined = joining.Joining(folder=folder, base=base or root, **fields)
    return joined.join(found)


def test_rows_take_length_and_rate_from_the_files(tmp_path):
    _sound(tmp_path, "b.wav", "a/x.flac")
    found = [
        _item(2, "b.wav", captions=("one",), licence="CC0-1.0"),
        _item(3, "a/x.mp3", attributes={"genre": "tango"}),
    ]
    rows, problems = _join(tmp_path, found)
    assert problems == []
    assert [row.path for row in rows] == ["a/x.flac", "b.wav"]
    assert {(row.duration_seconds, row.sample_rate_hz) for row in rows} == {(0.5, RATE)}
    assert (rows[0].attributes, rows[0].captions) == ({"genre": "tango"}, ())
    assert (rows[1].captions, rows[1].licence) == (("one",), "CC0-1.0")


def test_paths_are_relative_to_the_manifest_where_they_can_be(tmp_path):
    _sound(tmp_path, "my/clips/a.wav")
    clips = tmp_path / "my" / "clips"
    found = [_item(1, "a.wav")]
    assert _join(clips, found, tmp_path / "my")[0][0].path == "clips/a.wav"
    away = _join(clips, found, tmp_path / "other")[0][0].path
    assert away == str(clips / "a.wav")


def test_rows_of_one_recording_are_united(tmp_path):
    _sound(tmp_path, "a.wav")
    found = [
        _item(2, "a.wav", captions=("one", "two"), attributes={"genre": "rock"}),
        _item(3, "a.wav", captions=("two", "three"), attributes={"genre": "pop"}),
        _item(4, "a.wav", attributes={"mood": "sad"}, licence="CC0-1.0"),
    ]
    (row,), problems = _join(tmp_path, found)
    assert problems == []
    assert row.captions == ("one", "two", "three")
    assert row.attributes == {"genre": "rock", "mood": "sad"}
    assert row.licence == "CC0-1.0"


def test_repeated_identities_and_absent_recordings_are_problems(tmp_path):
    _sound(tmp_path, "a.wav", "b.wav")
    given = items.Problem(row=9, name="", reason="broken.")
    found = [
        given,
        _item(2, "a.wav", identity="x"),
        _item(3, "b.wav", identity="x"),
        _item(4, "c.wav", places=("c.wav", "d.wav")),
    ]
    rows, problems = _join(tmp_path, found)
    assert [row.path for row in rows] == ["a.wav"]
    assert [problem.row for problem in problems] == [3, 4, 9]
    assert "row 2 has the same" in problems[0].reason
    assert "c.wav or d.wav" in problems[1].reason
    assert [problem.absent for problem in problems] == [False, True, False]


def test_unreadable_recordings_are_problems_of_all_their_rows(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio")
    _sound(tmp_path, "b.wav")
    found = [_item(2, "a.wav"), _item(3, "b.wav"), _item(4, "a.wav")]
    rows, problems = _join(tmp_path, found)
    assert [row.path for row in rows] == ["b.wav"]
    assert [problem.row for problem in problems] == [2, 4]
    assert all("a.wav must be a readable" in problem.reason for problem in problems)


def test_licences_come_from_the_row_the_list_or_the_default(tmp_path):
    _sound(tmp_path, "audio/1/a.2min.wav", "audio/1/b.wav", "audio/1/c.wav")
    found = [
        _item(2, "1/a.mp3"),
        _item(3, "1/b.mp3", licence="own"),
        _item(4, "1/c.mp3"),
    ]
    rows, _ = _join(
        tmp_path, found, licences={"1/a": "listed", "1/b": "listed"}, licence="default"
    )
    assert [row.licence for row in rows] == ["listed", "own", "default"]


def test_files_whose_names_are_no_text_are_problems(tmp_path):
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    _sound(tmp_path, "a.wav")
    try:
        (tmp_path / name).write_bytes((tmp_path / "a.wav").read_bytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = audio_folder.read_items(audio_folder.AudioFolder(tmp_path))
    rows, problems = _join(tmp_path, found)
    assert [row.path for row in rows] == ["a.wav"]
    items.write_problems(tmp_path / "skipped.jsonl", problems)
    (line,) = (tmp_path / "skipped.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["name"].startswith("caf")
    assert "not UTF-8" in json.loads(line)["reason"]


def test_progress_counts_the_files(tmp_path):
    _sound(tmp_path, "a.wav", "b.wav")
    folder = audio_folder.AudioFolder(tmp_path)
    told = []
    joined = joining.Joining(folder=folder, base=tmp_path)
    joined.join([_item(1, "a.wav"), _item(2, "b.wav")], lambda *at: told.append(at))
    assert told == [(1, 2), (2, 2)]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    root = tmp_path_factory.mktemp("many")
    _sound(root, *(f"{i % 4}/{i:02d}.wav" for i in range(40)), seconds=0.01)
    return root


@hypothesis.given(
    chosen=strategies.sets(strategies.integers(0, 39), min_size=1),
    added=strategies.sets(strategies.integers(0, 39)),
    seed=strategies.integers(0, 99),
)
def test_order_and_other_files_change_no_row(many, chosen, added, seed):
    def rows_of(numbers):
        found = [_item(i, f"{i % 4}/{i:02d}.wav", captions=(str(i),)) for i in numbers]
        random.Random(seed).shuffle(found)
        rows, problems = _join(many, found, held_out_share=0.5)
        assert problems == []
        return rows

    before, after = rows_of(sorted(chosen)), rows_of(sorted(chosen | added))
    kept = {f"{i % 4}/{i:02d}.wav" for i in chosen}
    assert [row for row in after if row.path in kept] == before
    assert before == sorted(before, key=lambda row: row.path)


def test_a_converted_file_stays_in_its_split(many, tmp_path):
    found = [_item(i, f"{i % 4}/{i:02d}.wav") for i in range(40)]
    rows, _ = _join(many, found, held_out_share=0.5)
    _sound(
        tmp_path, *(str(pathlib.PurePath(r.path).with_suffix(".flac")) for r in rows)
    )
    converted, _ = _join(tmp_path, found, held_out_share=0.5)
    assert [row.split for row in converted] == [row.split for row in rows]
    assert {row.split for row in rows} == {splits.TRAIN, splits.HELD_OUT}


@pytest.mark.parametrize(
    ("good", "bad", "share", "fails"),
    [
        (95, 5, 0.05, False),
        (94, 6, 0.05, True),
        (1, 0, 0.0, False),
        (99, 1, 0.0, True),
        (0, 3, 1.0, True),
        (0, 0, 1.0, True),
    ],
)
def test_the_share_of_bad_rows_is_limited(good, bad, share, fails):
    problems = [items.Problem(row=7, name="x", reason="broken.")] * bad
    if not fails:
        items.check_share("t.csv", good, problems, share, "t.skipped.jsonl")
        return
    said = f"{good} good and {bad} bad" if good or bad else "t.csv must have rows"
    with pytest.raises(errors.InputError, match=said) as raised:
        items.check_share("t.csv", good, problems, share, "t.skipped.jsonl")
    assert "\n" not in str(raised.value)
    assert ("row 7: broken." in str(raised.value)) == (bad > 0)
