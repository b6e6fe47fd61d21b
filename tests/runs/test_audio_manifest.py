import json
import pathlib
import shutil

import numpy as np
import pytest
import soundfile

from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.runs import audio_manifest

RATE = 8_000
MP3 = {"format": "MP3"}


def _noise(channels=1, seconds=0.5):
    shape = (int(seconds * RATE), channels)
    return np.random.default_rng(0).uniform(-0.5, 0.5, shape).astype("f4")


def _write(path, samples=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, _noise() if samples is None else samples, RATE, **options)


def _config(root, **fields):
    settings = {"audio": str(root / "clips"), "out": str(root / "m.jsonl")}
    return audio_manifest.ManifestConfig(**(settings | fields))


def _skipped(root):
    text = (root / "m.jsonl.skipped.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path):
    """Ten files that can be used, two of them without captions, and five others."""
    clips = tmp_path / "clips"
    _write(clips / "mono.wav")
    _write(clips / "stereo.wav", _noise(2))
    _write(clips / "eight_bit.wav", subtype="PCM_U8")
    _write(clips / "float.wav", subtype="FLOAT")
    _write(clips / "a" / "packed.flac")
    _write(clips / "vorbis.ogg")
    _write(clips / "layer.mp3", **MP3)
    shutil.copy(clips / "a" / "packed.flac", clips / "wrong.mp3")
    (clips / "mono.txt").write_text(
        "a waltz\nein Walzer für Akkordeon\nワルツ\n", "utf-8"
    )
    _write(clips / "bad" / "empty.wav", _noise()[:0])
    _write(clips / "bad" / "nan.wav", np.full((RATE, 1), np.nan), subtype="FLOAT")
    (clips / "bad" / "no.wav").write_bytes(b"text")
    (clips / "bad" / "nothing.flac").write_bytes(b"")
    _write(clips / "bad" / "uncaptioned.wav")
    (clips / "bad" / "uncaptioned.txt").write_text("\n \n")
    _write(clips / "bad" / "other_text.wav")
    (clips / "bad" / "other_text.txt").write_bytes("Übung".encode("latin-1"))
    _write(clips / "bad" / "cut.flac", _noise(seconds=4.0))
    whole = (clips / "bad" / "cut.flac").read_bytes()
    (clips / "bad" / "cut.flac").write_bytes(whole[: len(whole) // 2])
    return tmp_path


def test_a_folder_becomes_a_manifest_and_a_list_of_what_was_skipped(folder):
    summary = audio_manifest.run(_config(folder, max_bad_share=0.5, licence="CC0-1.0"))
    assert (summary.clips, summary.skipped, summary.bad_captions) == (10, 5, 2)
    assert summary.train + summary.held_out == 10
    assert (summary.without_captions, summary.without_licence) == (9, 0)
    rows = manifest.read_manifest(pathlib.Path(summary.manifest)).rows
    assert [str(pathlib.Path(row.path).relative_to(folder)) for row in rows] == [
        f"clips/{name}"
        for name in (
            "a/packed.flac",
            "bad/other_text.wav",
            "bad/uncaptioned.wav",
            "eight_bit.wav",
            "float.wav",
            "layer.mp3",
            "mono.wav",
            "stereo.wav",
            "vorbis.ogg",
            "wrong.mp3",
        )
    ]
    assert rows[6].captions == ("a waltz", "ein Walzer für Akkordeon", "ワルツ")
    assert {row.licence for row in rows} == {"CC0-1.0"}
    skipped = _skipped(folder)
    assert [entry["name"] for entry in skipped] == [
        f"bad/{name}"
        for name in (
            "cut.flac",
            "empty.wav",
            "nan.wav",
            "no.wav",
            "nothing.flac",
            "other_text.wav",
            "uncaptioned.wav",
        )
    ]
    assert [entry["row"] for entry in skipped] == [2, 3, 4, 5, 6, 7, 8]
    for entry, word in zip(
        skipped,
        ("", "no samples", "finite", "readable", "readable", "UTF-8", "empty"),
        strict=True,
    ):
        assert word in entry["reason"]


def test_too_many_bad_files_leave_their_list_and_no_manifest(folder):
    with pytest.raises(errors.InputError, match="10 good and 5 bad rows; at most 5%"):
        audio_manifest.run(_config(folder))
    assert not (folder / "m.jsonl").exists()
    assert len(_skipped(folder)) == 7


def test_bad_captions_are_no_bad_rows(tmp_path):
    _write(tmp_path / "clips" / "a.wav")
    (tmp_path / "clips" / "a.txt").write_text("")
    summary = audio_manifest.run(_config(tmp_path))
    assert (summary.clips, summary.skipped, summary.bad_captions) == (1, 0, 1)


@pytest.mark.parametrize(("share", "split"), [(0.0, "held_out"), (1.0, "train")])
def test_a_split_without_clips_is_warned_of(tmp_path, caplog, share, split):
    for name in ("a.wav", "b.wav"):
        _write(tmp_path / "clips" / name)
    audio_manifest.run(_config(tmp_path, held_out_share=share))
    (warning,) = caplog.messages
    assert f"no clip of 2 is in the split '{split}'" in warning
    assert "ManifestConfig.held_out_share" in warning


def test_the_same_files_give_the_same_bytes(folder, monkeypatch):
    config = _config(folder, max_bad_share=0.5)
    audio_manifest.run(config)
    before = (folder / "m.jsonl").read_bytes()
    walk = audio_manifest.audio_folder.os.walk
    monkeypatch.setattr(
        audio_manifest.audio_folder.os,
        "walk",
        lambda *args, **kw: reversed(list(walk(*args, **kw))),
    )
    audio_manifest.run(_config(folder, max_bad_share=0.5, workers=1))
    assert (folder / "m.jsonl").read_bytes() == before


def test_musiccaps_with_its_audio(tmp_path):
    _write(tmp_path / "clips" / "[-aB_9]-[30-40].wav")
    _write(tmp_path / "clips" / "xyz.mp3", **MP3)
    caps = tmp_path / "caps.csv"
    caps.write_text(
        "ytid,start_s,end_s,aspect_list,caption\n"
        '-aB_9,30,40,"[\'slow\']","A waltz.\nSad."\n'
        "xyz,0,10,[],A tango.\n"
        "xyz,5,15,[],Another row of that clip.\n"
        "gone,0,10,[],Its video was deleted.\n"
        'cut,0,10,[],"cut in ha'
    )
    config = _config(tmp_path, musiccaps=str(caps), max_bad_share=0.6)
    summary = audio_manifest.run(config)
    assert (summary.clips, summary.skipped, summary.without_licence) == (2, 3, 2)
    rows = manifest.read_manifest(tmp_path / "m.jsonl").rows
    assert [row.captions for row in rows] == [("A waltz. Sad.", "slow"), ("A tango.",)]
    assert [(e["row"], e["name"]) for e in _skipped(tmp_path)] == [
        (5, "xyz"),
        (6, "gone"),
        (7, ""),
    ]


def test_a_part_of_a_data_set_is_taken_when_it_is_said(tmp_path):
    _write(tmp_path / "clips" / "audio" / "14" / "214.low.mp3", **MP3)
    tracks = tmp_path / "t.tsv"
    tracks.write_text(
        "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
        "track_0000214\tartist_1\talbum_1\t14/214.mp3\t124.6\tgenre---rock\n"
        "track_0000215\tartist_1\talbum_1\t15/215.mp3\t124.6\tgenre---pop\n"
    )
    lines = ("14/214.mp3", "Title: http://x", "Available under: http://by/3.0/", "")
    (tmp_path / "l.txt").write_text("\n".join(lines))
    config = _config(
        tmp_path, mtg_jamendo=str(tracks), licences=str(tmp_path / "l.txt")
    )
    with pytest.raises(errors.InputError, match=r"no audio file 15/215\.mp3"):
        audio_manifest.run(config)
    summary = audio_manifest.run(
        _config(
            tmp_path,
            mtg_jamendo=str(tracks),
            licences=str(tmp_path / "l.txt"),
            partial=True,
        )
    )
    assert (summary.clips, summary.skipped) == (1, 1)
    (row,) = manifest.read_manifest(tmp_path / "m.jsonl").rows
    assert (row.captions, row.licence) == (("rock",), "http://by/3.0/")
    assert row.attributes == {"genre": "rock"}


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"fma": "a", "musiccaps": "b"}, "one data set"),
        ({"held_out_share": 1.5}, "held_out_share"),
        ({"max_bad_share": float("nan")}, "max_bad_share"),
        ({"workers": 0}, "workers"),
    ],
)
def test_bad_configs_are_refused(tmp_path, fields, match):
    with pytest.raises(errors.InputError, match=match):
        _config(tmp_path, **fields)
