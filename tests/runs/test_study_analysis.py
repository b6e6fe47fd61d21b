"""`musicrl study analyse` and `panel`, from files to figures."""

import csv
import json

import pytest

from musicrl_jax.cli import main
from musicrl_jax.data.readers import own_votes
from musicrl_jax.evaluation.studies import files, plan

QUALITY = {"base": (2, 3, 2), "r": (3, 3, 4), "u": (4, 3, 3)}


@pytest.fixture
def study(tmp_path):
    """Writes a study of made-up ratings, and returns its folder and its sheet."""
    design = plan.Design(
        models=tuple(QUALITY), prompts=tuple(f"tune {n}" for n in range(12)), raters=6
    )
    tasks = plan.make_tasks(design)
    files.write_study(tmp_path, design, tasks)
    sheet = tmp_path / files.FOR_RATERS / "tasks.csv"
    with sheet.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, task in zip(rows, tasks, strict=True):
        turn = (task.prompt + int(task.rater[-1])) % 3
        row["score_first"] = QUALITY[task.first][turn]
        row["score_second"] = QUALITY[task.second][turn]
    files.write_csv(sheet, rows)
    return tmp_path, sheet


@pytest.fixture
def musicrl(capsys):
    """Runs `study` in this process: (exit code, standard output, error lines)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main.main(["study", *map(str, arguments)])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err.splitlines()

    return run


def test_writes_the_study_and_prints_tables(musicrl, study):
    folder, sheet = study
    out = folder / "results"
    code, text, lines = musicrl(
        "analyse", "--tasks", folder, "--ratings", sheet, "--out", out
    )
    assert (code, lines) == (0, [])
    found = json.loads((out / "study.json").read_text(encoding="utf-8"))
    assert [(x["a"], x["b"]) for x in found["comparisons"]] == [
        ("r", "base"), ("u", "base"), ("u", "r"),
    ]  # fmt: skip
    names = {"win", "tie", "loss", "win_rate", "low", "high", "n", "sign_p", "holm_p"}
    assert names <= found["comparisons"][0].keys()
    assert {"name", "mos", "low", "high", "wins", "bt"} <= found["models"][0].keys()
    assert (found["ratings"], found["missing"], found["problems"]) == (108, 0, [])
    assert found["alpha"] == found["agreement"]["score_interval"]
    with (out / "comparisons.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["win"]) for row in rows] == [x["win"] for x in found["comparisons"]]
    assert (out / "models.csv").exists()
    printed = text.splitlines()
    place = printed.index("comparisons:")
    assert printed[place + 1].split()[:6] == ["a", "b", "n", "win", "tie", "loss"]
    assert printed[place + 2].split()[:3] == ["r", "base", "36"]
    assert "signed-rank test of per-prompt" in text


def test_numbers_that_there_are_none_of_are_null(musicrl, study):
    folder, sheet = study
    rows = list(csv.DictReader(sheet.read_text().splitlines()))
    for row in rows:
        row["score_first"] = row["score_second"] = 3
    files.write_csv(sheet, rows)
    code, text, _ = musicrl("analyse", "--tasks", folder, "--ratings", sheet, "--json")
    assert code == 0
    said = json.loads(text)
    assert said["comparisons"][0]["win_rate"] is None
    assert said["alpha"] is None
    assert any("alpha is not defined" in note for note in said["notes"])
    found = json.loads((folder / "study.json").read_text())
    assert found["comparisons"][0]["win_rate"] is None
    with (folder / "comparisons.csv").open() as file:
        assert next(csv.DictReader(file))["win_rate"] == ""


def test_ratings_become_votes_that_their_reader_reads(musicrl, study):
    folder, sheet = study
    out = folder / "own" / "votes.jsonl"
    code, _, _ = musicrl(
        *("analyse", "--tasks", folder, "--ratings", sheet, "--votes_out", out)
    )
    assert code == 0
    found = list(own_votes.read_votes(out))
    design, tasks = files.read_study(folder)
    assert len(found) == len(tasks) == 12 * 3 * 3
    names = plan.clip_names(design)
    for vote, task in zip(found, tasks, strict=True):
        turn = (task.prompt + int(task.rater[-1])) % 3
        lead = QUALITY[task.first][turn] - QUALITY[task.second][turn]
        assert vote.choice == ("tie" if not lead else "a" if lead > 0 else "b")
        assert (vote.user, vote.prompt) == (task.rater, f"tune {task.prompt}")
        place = f"{files.AUDIO}/{names[task.second, task.prompt]}"
        assert vote.clip_b.places == (place,)
    (folder / files.FOR_RATERS / "tasks.jsonl").unlink()
    arguments = ("--tasks", folder, "--ratings", sheet, "--votes_out", out)
    code, _, lines = musicrl("analyse", *arguments)
    assert code == 2
    assert "tasks.jsonl must have the tasks" in lines[-1]


def test_missing_and_bad_ratings_are_counted_and_listed(musicrl, study):
    folder, sheet = study
    rows = list(csv.DictReader(sheet.read_text().splitlines()))
    rows[0]["score_first"] = "7"
    rows[1]["score_first"] = rows[1]["score_second"] = ""
    files.write_csv(sheet, rows)
    code, text, _ = musicrl("analyse", "--tasks", folder, "--ratings", sheet, "--json")
    said = json.loads(text)
    assert (code, said["ratings"], said["missing"]) == (0, 106, 2)
    assert "line 2" in said["problems"][0]
    assert "without a rating: 2." in said["notes"][0]
    assert "fewer than 10; these are of 12 prompts and 6 raters." in said["notes"][1]
    found = json.loads((folder / "study.json").read_text())
    assert found["missing_tasks"] == [rows[0]["task"], rows[1]["task"]]


def test_an_advantage_of_the_side_is_an_option(musicrl, study):
    folder, sheet = study
    arguments = ("analyse", "--tasks", folder, "--ratings", sheet)
    musicrl(*arguments, "--gin_param", "StudyAnalysisConfig.side_intercept=True")
    found = json.loads((folder / "study.json").read_text())["bradley_terry"]
    assert found["with_advantage"]
    assert found["advantage"] != 0


def test_an_advantage_that_is_not_identifiable_is_said_not_to_be(musicrl, study):
    folder, sheet = study
    _, tasks = files.read_study(folder)
    rows = list(csv.DictReader(sheet.read_text().splitlines()))
    kept = [
        row
        for row, task in zip(rows, tasks, strict=True)
        if (task.first, task.second) == ("base", "r")
    ]
    for number, row in enumerate(kept):
        row["score_first"], row["score_second"] = (4, 2) if number % 3 else (2, 4)
    files.write_csv(sheet, kept)
    arguments = ("analyse", "--tasks", folder, "--ratings", sheet, "--json")
    said = json.loads(musicrl(*arguments)[1])
    assert not any("not identifiable" in note for note in said["notes"])
    side = ("--gin_param", "StudyAnalysisConfig.side_intercept=True")
    said = json.loads(musicrl(*arguments, *side)[1])
    assert "models do not change sides enough" in said["notes"][0]
    found = json.loads((folder / "study.json").read_text())
    assert found["bradley_terry"]["identifiable"] is False
    assert found["bradley_terry"]["advantage"] is None
    assert [x["bt"] for x in found["models"]] == [None, None]


def test_panel_prints_its_agreement(musicrl, tmp_path):
    # ababababa against aaabbbaaa: the same at six places.
    recorded, judged = tmp_path / "recorded.csv", tmp_path / "panel.csv"
    files.write_csv(recorded, [{"pair_id": n, "label": "ab"[n % 2]} for n in range(9)])
    files.write_csv(
        judged, [{"pair_id": n, "label": "ab"[n // 3 % 2]} for n in range(9)]
    )
    code, text, _ = musicrl(
        "panel", "--recorded", recorded, "--panel", judged, "--json"
    )
    said = json.loads(text)
    assert (code, said["pairs"], said["agree"]) == (0, 9, 6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("analyse", "--tasks", "nowhere"), "nowhere must hold design.json"),
        (("analyse", "--ratings", "none.csv"), "none.csv"),
        (("analyse", "--max_bad_share", "2"), "--max_bad_share"),
        (("analyse", "--gin_param", "StudyAnalysisConfig.resamples=0"), "resamples"),
    ],
)
def test_bad_input_is_one_line_and_code_2(musicrl, study, arguments, words):
    folder, sheet = study
    command, *own = arguments
    fixed = ("--tasks", folder, "--ratings", sheet)
    code, _, lines = musicrl(command, *fixed, *own)
    assert (code, len(lines)) == (2, 1)
    assert words in lines[0]


@pytest.mark.parametrize("command", ["plan", "analyse", "panel"])
def test_every_command_has_help(musicrl, command):
    code, out, _ = musicrl(command, "--help")
    assert code == 0
    assert "--gin_file" in out
