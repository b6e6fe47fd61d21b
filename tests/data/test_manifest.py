import dataclasses
import json

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import manifest

ROW = manifest.ClipRow(
    path="clips/a.flac",
    duration_seconds=30.0,
    sample_rate_hz=16_000,
    captions=("a slow tango", "tango; accordion — Ελλάδα"),
    attributes={"genre": "tango"},
    licence="CC0-1.0",
)


def _write_lines(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(**changes):
    return json.dumps(dataclasses.asdict(ROW) | changes)


def test_rows_come_back_with_paths_at_the_manifests_folder(tmp_path):
    path = tmp_path / "corpus" / "manifest.jsonl"
    manifest.write_manifest(path, [ROW])
    (row,) = manifest.read_manifest(path).rows
    assert row.path == str(tmp_path / "corpus" / "clips/a.flac")
    assert dataclasses.replace(row, path=ROW.path) == ROW


def test_absolute_paths_stay(tmp_path):
    path = tmp_path / "manifest.jsonl"
    manifest.write_manifest(path, [dataclasses.replace(ROW, path="/music/a.flac")])
    assert manifest.read_manifest(path).rows[0].path == "/music/a.flac"


def test_rows_may_have_no_captions(tmp_path):
    path = tmp_path / "manifest.jsonl"
    manifest.write_manifest(path, [dataclasses.replace(ROW, captions=())])
    assert manifest.read_manifest(path).rows[0].captions == ()


def test_captions_may_be_left_out(tmp_path):
    path = tmp_path / "manifest.jsonl"
    _write_lines(
        path, ['{"path": "a.wav", "duration_seconds": 2, "sample_rate_hz": 8000.0}']
    )
    assert manifest.read_manifest(path).rows[0].captions == ()


def test_line_separators_in_texts_come_back(tmp_path):
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\nj"
    path = tmp_path / "manifest.jsonl"
    written = dataclasses.replace(
        ROW, path=f"/{odd}", captions=(odd,), licence=odd, attributes={odd: odd}
    )
    manifest.write_manifest(path, [written, ROW])
    read = manifest.read_manifest(path)
    assert read.problems == ()
    assert read.rows[0] == written


def test_a_mark_of_byte_order_is_no_part_of_the_first_row(tmp_path):
    path = tmp_path / "manifest.jsonl"
    _write_lines(path, ["\ufeff" + _line(), _line()])
    assert len(manifest.read_manifest(path).rows) == 2


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{not json", "Expecting property name"),
        ("[1, 2]", "JSON object"),
        (_line(captions="one text"), "captions"),
        (_line(captions=[1]), "list of texts"),
        (_line(captions=[" "]), "captions"),
        (_line(duration_seconds=0), "duration"),
        (_line(duration_seconds=float("nan")), "duration"),
        (_line(duration_seconds=float("inf")), "duration"),
        (_line(duration_seconds=10**400), "large"),
        (_line(duration_seconds="30"), "duration_seconds"),
        (_line(sample_rate_hz=True), "sample_rate_hz"),
        (_line(sample_rate_hz=8000.5), "sample_rate_hz"),
        (_line(path=5), "path"),
        (_line(path=None), "path"),
        (_line(path="a\0.wav"), "path"),
        (_line(attributes=["a"]), "attributes"),
        (_line(attributes={"genre": 3}), "attributes"),
        (_line(split=None), "split"),
        (_line(licence=5), "licence"),
        (_line(captions=["half \ud800"]), "surrogate"),
        (_line(attributes={"\udc00": "x"}), "surrogate"),
        ("[" * 100_000, "recursion"),
        (_line(tempo=3), "tempo"),
        (json.dumps({"path": "a.wav", "captions": ["x"]}), "duration_seconds"),
    ],
)
def test_bad_rows_are_listed_with_their_line(tmp_path, bad, reason):
    path = tmp_path / "manifest.jsonl"
    _write_lines(path, [_line(), bad, _line()])
    read = manifest.read_manifest(path, max_bad_share=0.5)
    assert len(read.rows) == 2
    (problem,) = read.problems
    assert problem.startswith("line 2:")
    assert reason in problem


def test_too_many_bad_rows_are_refused(tmp_path):
    path = tmp_path / "manifest.jsonl"
    _write_lines(path, [_line(), "{"])
    with pytest.raises(errors.InputError, match="1 good and 1 bad"):
        manifest.read_manifest(path)


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_manifest_is_refused(tmp_path, content):
    path = tmp_path / "manifest.jsonl"
    path.write_text(content)
    with pytest.raises(errors.InputError, match="empty"):
        manifest.read_manifest(path)


def test_a_missing_manifest_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="absent"):
        manifest.read_manifest(tmp_path / "absent.jsonl")


def test_splits_are_chosen_by_name(tmp_path):
    path = tmp_path / "manifest.jsonl"
    other = dataclasses.replace(ROW, path="b.flac", split="held_out")
    manifest.write_manifest(path, [ROW, other])
    read = manifest.read_manifest(path)
    assert [row.path for row in read.of_split("held_out")] == [str(tmp_path / "b.flac")]
    with pytest.raises(errors.InputError, match=r"held_out, train.*held_out_share"):
        read.of_split("validation")
