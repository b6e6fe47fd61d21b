import os

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data.readers import audio_folder, items


def _touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")


def test_audio_is_found_in_all_folders_sorted(tmp_path):
    wanted = ["B.WAV", "a/1.flac", "a/2.mp3", "c.ogg", "é/ジャズ.aiff"]
    _touch(tmp_path, *wanted, "notes.txt", "a/cover.jpg", ".hidden.wav", "._c.ogg")
    _touch(tmp_path, ".cache/x.wav")
    assert audio_folder.AudioFolder(tmp_path).files == tuple(wanted)


def test_the_order_of_the_file_system_does_not_matter(tmp_path, monkeypatch):
    _touch(tmp_path, *(f"{i % 3}/{i}.wav" for i in range(12)), "x/5.wav", "x/5.low.wav")
    before = audio_folder.AudioFolder(tmp_path)
    walk = os.walk

    def backwards(*arguments, **options):
        for folder, subfolders, names in walk(*arguments, **options):
            subfolders.sort(reverse=True)
            yield folder, subfolders, sorted(names, reverse=True)

    monkeypatch.setattr(os, "walk", backwards)
    after = audio_folder.AudioFolder(tmp_path)
    assert after.files == before.files
    assert after.find("5.mp3") == before.find("5.mp3") == "2/5.wav"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("14/214.mp3", "audio/14/214.low.mp3"),
        ("audio/14/214.low.mp3", "audio/14/214.low.mp3"),
        ("15/214.mp3", None),
        ("4/214.mp3", None),
        ("-aB_9", "clips/-aB_9.wav"),
        ("[-aB_9]-[30-40]", None),
        ("7.mp3", "7.flac"),
        ("7.mp3.bak", "7.flac"),
    ],
)
def test_copies_of_data_sets_are_found(tmp_path, place, expected):
    _touch(tmp_path, "audio/14/214.low.mp3", "clips/-aB_9.wav", "7.flac", "z/7.mp3")
    assert audio_folder.AudioFolder(tmp_path).find(place) == expected


def test_captions_lie_beside_the_audio(tmp_path):
    _touch(tmp_path, "a.flac", "b.flac", "c.flac", "d.flac")
    (tmp_path / "a.txt").write_text("ein Walzer\n\n ワルツ  です \nein Walzer\n")
    (tmp_path / "c.txt").write_text(" \n\n")
    (tmp_path / "d.txt").write_bytes(b"caf\xe9")
    first, second, empty, third, latin, fourth = audio_folder.read_items(
        audio_folder.AudioFolder(tmp_path)
    )
    assert (first.row, first.places) == (1, ("a.flac",))
    assert first.captions == ("ein Walzer", "ワルツ です")
    assert second.captions == ()
    assert isinstance(empty, items.Problem)
    assert (empty.row, empty.name, "empty" in empty.reason) == (3, "c.flac", True)
    assert "UTF-8" in latin.reason
    assert empty.kept
    assert latin.kept
    assert (third.row, third.captions) == (3, ())
    assert (fourth.row, fourth.captions) == (4, ())


def test_folders_without_audio_are_refused(tmp_path):
    _touch(tmp_path, "a/notes.txt")
    with pytest.raises(errors.InputError, match="no audio files"):
        audio_folder.AudioFolder(tmp_path)
    with pytest.raises(errors.InputError, match="is none"):
        audio_folder.AudioFolder(tmp_path / "absent")
    with pytest.raises(errors.InputError, match="is none"):
        audio_folder.AudioFolder(tmp_path / "a" / "notes.txt")
