"""`musicrl study plan` on folders of clips: what it writes and what it refuses."""

import json

import numpy as np
import pytest
import soundfile

from musicrl_jax.cli import main
from musicrl_jax.evaluation import prompts
from musicrl_jax.evaluation.studies import files
from musicrl_jax.runs import study_plan

RATE, PROMPTS = 8_000, 6
MODELS = ("base", "tuned")


@pytest.fixture
def clips(tmp_path):
    """Writes half a second of noise for each prompt of two models."""
    rng = np.random.default_rng(0)
    for model in MODELS:
        (tmp_path / model).mkdir()
        for number in range(PROMPTS):
            samples = rng.integers(-9_000, 9_000, (RATE // 2, 1), dtype=np.int16)
            soundfile.write(tmp_path / model / f"{number:03d}.wav", samples, RATE)
    text = "".join(f"music number {number}\n" for number in range(PROMPTS))
    (tmp_path / "prompts.txt").write_text(text)
    return tmp_path


@pytest.fixture
def musicrl(capsys, clips):
    """Plans a study in this process: (exit code, standard output, error lines)."""

    def run(*arguments, models=("base=base", "tuned=tuned")):
        places = [
            f"{m.partition('=')[0]}={clips / m.partition('=')[2]}" for m in models
        ]
        fixed = ["--out", clips / "study", "--prompts_file", clips / "prompts.txt"]
        command = ["study", "plan", "--models", *places, *fixed, *arguments]
        with pytest.raises(SystemExit) as ended:
            main.main([str(x) for x in command])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err.splitlines()

    return run


def refusal(musicrl, *arguments, **fields):
    code, _, lines = musicrl(*arguments, **fields)
    assert (code, len(lines)) == (2, 1), lines
    return lines[0]


def test_writes_tasks_and_every_clip_under_a_blind_name(musicrl, clips):
    code, out, _ = musicrl("--raters", 4, "--seed", 3, "--json")
    assert code == 0
    said = json.loads(out)
    assert (said["tasks"], said["clips"], said["seconds"]) == (18, 12, 0.5)
    design, tasks = files.read_study(clips / "study")
    assert (design.models, design.raters, design.seed) == (MODELS, 4, 3)
    folder = clips / "study" / files.FOR_RATERS
    assert sorted(p.name for p in folder.iterdir()) == [
        "audio", "instructions.txt", "tasks.csv", "tasks.jsonl",
    ]  # fmt: skip
    lines = (folder / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    for row, task in zip(map(json.loads, lines), tasks, strict=True):
        for side in ("first", "second"):
            heard, rate = soundfile.read(folder / row[side], dtype="int16")
            source = clips / getattr(task, side) / f"{task.prompt:03d}.wav"
            made, _ = soundfile.read(source, dtype="int16")
            assert rate == RATE
            np.testing.assert_array_equal(heard, made)
    assert len(list((folder / "audio").iterdir())) == 12


def test_times_of_writing_do_not_tell_models_apart(musicrl, clips):
    assert musicrl()[0] == 0
    audio = clips / "study" / files.FOR_RATERS / files.AUDIO
    copies = sorted(audio.iterdir())
    times = [path.stat().st_mtime_ns for path in copies]
    assert times == sorted(times)


def test_tags_that_name_a_model_are_not_copied(clips, musicrl):
    path = clips / "tuned" / "000.wav"
    samples, rate = soundfile.read(path)
    path.unlink()
    with soundfile.SoundFile(path.with_suffix(".flac"), "w", rate, 1) as file:
        file.title = "made by tuned"
        file.write(samples)
    assert b"made by tuned" in path.with_suffix(".flac").read_bytes()
    assert musicrl()[0] == 0
    for copy in (clips / "study" / files.FOR_RATERS / files.AUDIO).iterdir():
        assert b"made by" not in copy.read_bytes()


def test_counts_missing_clips(musicrl, clips):
    (clips / "tuned" / "002.wav").unlink()
    (clips / "base" / "005.wav").unlink()
    line = refusal(musicrl)
    assert "2 of 12 are missing" in line
    assert "005.wav" in line
    assert not (clips / "study").exists()


def test_counts_unreadable_clips(musicrl, clips):
    for number in range(3):
        (clips / "base" / f"{number:03d}.wav").write_bytes(b"no sound")
    line = refusal(musicrl)
    assert "3 of 12 are not" in line
    assert not (clips / "study").exists()


@pytest.mark.parametrize("change", ["length", "rate"])
def test_counts_clips_of_another_length_or_rate(musicrl, clips, change):
    path = clips / "tuned" / "004.wav"
    samples, rate = soundfile.read(path)
    if change == "length":
        samples = samples[:-80]
    soundfile.write(path, samples, rate * 2 if change == "rate" else rate)
    line = refusal(musicrl)
    assert "1 of 12 are not of 0.5 s at 8000 Hz" in line
    assert "004.wav" in line
    assert not (clips / "study").exists()


def test_refuses_to_write_over_a_study(musicrl):
    assert musicrl()[0] == 0
    assert "holds a study already" in refusal(musicrl)


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (("base=base",), "two models"),
        (("base=base", "base=tuned"), "different names"),
        (("=base", "tuned=tuned"), "NAME=FOLDER"),
        (("base=base", "tuned=nowhere"), "6 of 12 are missing"),
    ],
)
def test_refuses_models(musicrl, models, words):
    assert words in refusal(musicrl, models=models)


def test_refuses_prompts_that_are_none(musicrl, clips):
    (clips / "prompts.txt").write_bytes(b"\xff\xfe\n")
    assert "line 1" in refusal(musicrl)
    (clips / "prompts.txt").write_text("\n")
    assert "no text" in refusal(musicrl)


def test_prompts_of_the_paper_come_in_its_order():
    found = study_plan.read_prompts("")
    assert found == tuple(prompt.text for prompt in prompts.paper_prompts())
    assert (len(found), found[1]) == (101, "grunge with a drum n bass beat")
