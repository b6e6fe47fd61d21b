"""Data sets become manifests and captions, from the command line to the files."""

import json

import numpy as np
import pytest
import soundfile

from musicrl_jax.cli import main
from musicrl_jax.data import captions, manifest


@pytest.fixture
def musicrl(capsys):
    """Runs a command in this process: (exit code, standard output, error lines)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err.splitlines()

    return run


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", np.zeros(800, "f4"), 8_000)
    (folder / "broken.wav").write_bytes(b"no audio")
    return folder


def test_a_folder_becomes_a_manifest(musicrl, tmp_path, clips):
    out = tmp_path / "manifest.jsonl"
    code, shown, _ = musicrl(
        *("manifest", "--audio", clips, "--out", out, "--json"),
        *("--max_bad_share", "0.5", "--licence", "CC0-1.0"),
    )
    assert code == 0
    assert json.loads(shown)["clips"] == 3
    assert json.loads(shown)["skipped"] == 1
    rows = manifest.read_manifest(out).rows
    assert {row.licence for row in rows} == {"CC0-1.0"}


def test_too_many_bad_files_are_one_line_and_code_2(musicrl, tmp_path, clips):
    out = tmp_path / "manifest.jsonl"
    code, shown, lines = musicrl("manifest", "--audio", clips, "--out", out)
    errors = [line for line in lines if line.startswith("musicrl: ")]
    progress = [line for line in lines if line.startswith("manifest: ")]
    assert (code, shown) == (2, "")
    assert len(errors) == 1
    assert len(errors) + len(progress) == len(lines)
    assert "3 good and 1 bad" in errors[0]
    assert f"{out}.skipped.jsonl" in errors[0]
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--audio", "absent"), "absent"),
        (("--fma", "tracks.csv"), "tracks.csv"),
        (("--fma", "a", "--musiccaps", "b"), "one data set"),
        (("--max_bad_share", "2"), "--max_bad_share"),
    ],
)
def test_bad_arguments_are_one_line_and_code_2(
    musicrl, tmp_path, clips, arguments, word
):
    code, _, lines = musicrl(
        "manifest", "--audio", clips, "--out", tmp_path / "m.jsonl", *arguments
    )
    assert (code, len(lines)) == (2, 1)
    assert word in lines[0]


def test_sources_become_prompts(musicrl, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"a waltz, take {i}\n" for i in range(100)))
    out = tmp_path / "pool.jsonl"
    code, shown, _ = musicrl("pool", "--prompts", prompts, "--out", out, "--json")
    assert code == 0
    assert json.loads(shown)["captions"] == {"prompts": 100}
    train = captions.CaptionFile(tmp_path / "pool.train.jsonl")
    held_out = captions.CaptionFile(tmp_path / "pool.held_out.jsonl")
    assert len(train) + len(held_out) == 100


def test_a_pool_of_nothing_is_one_line_and_code_2(musicrl, tmp_path):
    code, _, lines = musicrl("pool", "--out", tmp_path / "pool.jsonl")
    assert (code, len(lines)) == (2, 1)
    assert "--prompts" in lines[0] or "prompts" in lines[0]


def test_lines_become_captions(musicrl, tmp_path):
    (tmp_path / "lines.txt").write_text("a waltz\n\n  お祭り \n", "utf-8-sig")
    out = tmp_path / "captions.jsonl"
    code, shown, _ = musicrl("captions", tmp_path / "lines.txt", "--out", out, "--json")
    assert code == 0
    file = captions.CaptionFile(out, json.loads(shown)["hash"])
    assert [file[i] for i in range(len(file))] == ["a waltz", "お祭り"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("absent.txt",), "absent.txt"),
        (("--prompts", "absent.txt"), "absent.txt"),
        ((), "neither"),
        (("lines.txt", "--prompts", "lines.txt"), "both"),
        (("--prompts", "lines.txt", "--mixture", "poems=1"), "poems"),
        (("--prompts", "lines.txt", "--split", "test"), "held_out"),
        (("--prompts", "empty.txt"), "there are no rows"),
        (("--prompts", "half.jsonl"), "0 good and 1 bad"),
        (("empty.txt",), "No captions"),
    ],
)
def test_bad_captions_are_one_line_and_code_2(
    musicrl, tmp_path, monkeypatch, arguments, word
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lines.txt").write_text("a waltz\n")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "half.jsonl").write_text('{"text": "a wal')
    code, shown, lines = musicrl("captions", *arguments, "--out", "out.jsonl")
    assert (code, len(lines), shown) == (2, 1, "")
    assert word in lines[0]
    assert not (tmp_path / "out.jsonl").exists()
