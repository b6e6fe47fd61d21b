"""Ratings files: good rows come back, bad ones are listed with their line."""

import json
import re

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import ratings

ROW = {"path": "a.wav", "rater": "r1", "score": 4, "origin": "human", "split": "train"}


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav", "c, d.wav"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def line(**changes):
    return json.dumps(ROW | changes)


def write(folder, lines, name="ratings.jsonl"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_scores_are_gathered_by_clip(folder):
    path = write(
        folder,
        [line(), line(path="b.wav", score=1.5), line(rater="r2", score=5)],
    )
    read = ratings.read_ratings(path)
    first, second = read.clips
    assert first.path == str(folder / "a.wav")
    assert (first.raters, first.scores) == (("r1", "r2"), (4.0, 5.0))
    assert first.opinion == 4.5
    assert (second.origin, second.split, second.opinion) == ("human", "train", 1.5)
    assert read.problems == ()
    assert not read.simulated


def test_written_rows_come_back_and_stay_simulated(folder):
    rows = [
        ratings.Rating(
            path="a.wav", rater="s", score=3.0, simulated=True, strength=0.5
        ),
        ratings.Rating(path="b.wav", rater="s", score=2.0, simulated=True),
    ]
    ratings.write_ratings(folder / "out.jsonl", rows)
    read = ratings.read_ratings(folder / "out.jsonl")
    assert read.simulated
    assert [clip.strength for clip in read.clips] == [0.5, 0.0]
    assert '"simulated": true' in (folder / "out.jsonl").read_text()


def test_line_separators_in_texts_come_back(folder):
    rater = "a\u2028b\u2029c\x85d"
    written = ratings.Rating(path="a.wav", rater=rater, score=3.0, split="train")
    ratings.write_ratings(folder / "out.jsonl", [written])
    (clip,) = ratings.read_ratings(folder / "out.jsonl").clips
    assert clip.raters == (rater,)


@pytest.mark.parametrize("bad", ["[" * 100_000, line(score=10**400)])
def test_odd_rows_are_listed_and_no_crash(folder, bad):
    path = write(folder, [line(), bad])
    (problem,) = ratings.read_ratings(path, max_bad_share=0.5).problems
    assert problem.startswith("line 2:")


def test_reads_csv_with_quoted_cells_and_gaps(folder):
    path = write(
        folder,
        [
            "path,rater,score,simulated,strength",
            "a.wav,r1,4,false,",
            '"c, d.wav",r1,2.5,true,0.25',
        ],
        "ratings.csv",
    )
    read = ratings.read_ratings(path)
    assert [clip.scores for clip in read.clips] == [(4.0,), (2.5,)]
    assert [clip.strength for clip in read.clips] == [0.0, 0.25]
    assert read.simulated


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (line(rater="r2")[:30], "Unterminated string"),
        ("[1]", "JSON object"),
        (line(rater="r2", score=0), "score from 1 to 5"),
        (line(rater="r2", score=5.01), "score from 1 to 5"),
        (line(rater="r2", score=float("nan")), "score from 1 to 5"),
        (line(rater="r2", score="4"), "unsuitable value '4'"),
        (line(rater="r2", score=True), "unsuitable value True"),
        (line(rater=""), "a path and a rater"),
        (line(rater=7), "unsuitable value 7"),
        (line(rater="r2", simulated="no"), "unsuitable value 'no'"),
        (line(rater="r2", mood="sad"), "mood"),
        (json.dumps({"path": "a.wav", "rater": "r2"}), "score"),
        (line(rater="r2", path="absent.wav"), "no audio file"),
        (line(score=2), "second score"),
        (line(rater="r2", split="held_out"), "split of .* is 'held_out' here"),
    ],
)
def test_bad_rows_are_listed_with_their_line(folder, bad, reason):
    path = write(folder, [line(), bad, line(path="b.wav")])
    read = ratings.read_ratings(path, max_bad_share=0.5)
    assert [clip.scores for clip in read.clips] == [(4.0,), (4.0,)]
    (problem,) = read.problems
    assert problem.startswith("line 2:")
    assert re.search(reason, problem), problem


def test_bad_csv_rows_are_listed_with_their_line(folder):
    path = write(
        folder,
        [
            "path,rater,score,simulated",
            "a.wav,r1,4,",
            "b.wav,r1",
            "b.wav,r1,x,",
            "b.wav,r1,3,maybe",
            "b.wav,r1,3,,extra",
            "b.wav,r1,3,0",
        ],
        "ratings.csv",
    )
    read = ratings.read_ratings(path, max_bad_share=0.9)
    assert [problem.split(":")[0] for problem in read.problems] == [
        "line 3",
        "line 4",
        "line 5",
        "line 6",
    ]
    assert len(read.clips) == 2


def test_too_many_bad_rows_are_refused(folder):
    path = write(folder, [line(), "{"])
    with pytest.raises(errors.InputError, match="1 good and 1 bad"):
        ratings.read_ratings(path)


def test_unreadable_files_are_refused(folder):
    with pytest.raises(errors.InputError, match="absent"):
        ratings.read_ratings(folder / "absent.jsonl")
    with pytest.raises(errors.InputError, match="empty"):
        ratings.read_ratings(write(folder, [""]))
    with pytest.raises(errors.InputError, match="well-formed CSV; after line 1"):
        ratings.read_ratings(write(folder, ["path,rater", 'a.wav,"r1'], "broken.csv"))


def test_a_tenth_of_unsplit_clips_is_held_out_wherever_the_file_lies(folder):
    names = [f"clip_{number}.wav" for number in range(300)]
    for name in names:
        (folder / name).write_bytes(b"")
    rows = [{"path": name, "rater": "r", "score": 3} for name in names]
    path = write(folder, [json.dumps(row) for row in rows])
    clips = ratings.read_ratings(path).clips
    held_out = {clip.path for clip in clips if clip.split == "held_out"}
    assert {clip.split for clip in clips} == {"train", "held_out"}
    assert 12 <= len(held_out) <= 50
    assert held_out == {
        str(folder / name)
        for name in names
        if ratings.split_by_hash(name) == "held_out"
    }
