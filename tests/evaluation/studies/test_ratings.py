"""Study files: nothing for raters unblinds, and each kind of bad rating is named."""

import csv
import json

import made_up_studies
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation.studies import files, plan, ratings


@pytest.fixture
def study(tmp_path):
    design = made_up_studies.make_design(
        models=("secret_base", "secret_tuned"), prompts=40, raters=4
    )
    tasks = plan.make_tasks(design)
    files.write_study(tmp_path, design, tasks)
    return tmp_path, design, tasks


def sheet(folder):
    """Returns the rows of the file that raters fill in."""
    with (folder / files.FOR_RATERS / "tasks.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def filled(folder, score=lambda number: (4, 3)):
    rows = sheet(folder)
    for number, row in enumerate(rows):
        row["score_first"], row["score_second"] = score(number)
    return rows


def save(folder, rows, suffix=".csv"):
    path = folder / f"ratings{suffix}"
    if suffix == ".csv":
        files.write_csv(path, rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_study_comes_back_as_it_was_written(study):
    folder, design, tasks = study
    assert files.read_study(folder) == (design, tasks)


def test_a_prompt_may_hold_other_marks_that_end_a_line(tmp_path):
    models = ("base\u2028one", "tuned\x85two")
    texts = ("a waltz\u2028with brass", "a\x85tango", "a\x0cmarch")
    design = plan.Design(models=models, prompts=texts)
    tasks = plan.make_tasks(design)
    files.write_study(tmp_path, design, tasks)
    assert files.read_study(tmp_path) == (design, tasks)
    names = plan.clip_names(design)
    clips = {key: f"{files.AUDIO}/{name}" for key, name in names.items()}
    assert files.read_clips(tmp_path, tasks) == clips


def test_raters_see_no_model(study):
    folder, design, tasks = study
    for path in (folder / files.FOR_RATERS).rglob("*"):
        if path.is_file():
            assert "secret" not in path.read_text(encoding="utf-8")
    rows = sheet(folder)
    assert [row["task"] for row in rows] == [task.task for task in tasks]
    assert list(rows[0]) == [
        "task", "rater", "prompt", "first", "second", "score_first", "score_second",
    ]  # fmt: skip
    assert rows[0]["prompt"] == design.prompts[tasks[0].prompt]
    instructions = (folder / files.FOR_RATERS / "instructions.txt").read_text()
    for word in ("from 1 to 5", "adheres to the text", "quality", "appeal"):
        assert word in instructions


def test_sheet_in_json_lines_has_the_same_rows(study):
    folder, *_ = study
    text = (folder / files.FOR_RATERS / "tasks.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert [{k: v or "" for k, v in row.items()} for row in rows] == sheet(folder)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_scores_go_to_the_models_of_their_sides(study, suffix):
    folder, _, tasks = study
    rows = filled(folder, lambda number: (1 + number % 5, 5 - number % 4))
    found = ratings.read_ratings([save(folder, rows, suffix)], tasks)
    assert (found.problems, found.missing) == ((), ())
    for number, (row, task) in enumerate(zip(found.rows, tasks, strict=True)):
        assert (row.first, row.second) == (task.first, task.second)
        assert (row.prompt, row.rater) == (task.prompt, task.rater)
        assert row.scores == (1 + number % 5, 5 - number % 4)


def test_an_empty_sheet_is_refused_and_a_part_of_one_counted(study):
    folder, _, tasks = study
    empty = folder / files.FOR_RATERS / "tasks.csv"
    with pytest.raises(errors.InputError, match=r"tasks\.csv has none"):
        ratings.read_ratings([empty], tasks)
    rows = filled(folder)
    rows[0] |= {"score_first": "", "score_second": ""}
    found = ratings.read_ratings([save(folder, rows[:-1])], tasks)
    assert found.problems == ()
    assert found.missing == (tasks[0].task, tasks[-1].task)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score_first": "6"}, "from 1 to 5; got '6'"),
        ({"score_first": "0.9"}, "from 1 to 5"),
        ({"score_second": "nan"}, "from 1 to 5"),
        ({"score_second": "good"}, "got 'good'"),
        ({"score_second": ""}, "got ''"),
        ({"task": "ffffffff"}, "'ffffffff' is not in the key"),
        ({"rater": " "}, "has no rater"),
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_bad_rows_are_listed_and_left_out(study, change, words, suffix):
    folder, _, tasks = study
    rows = filled(folder)
    rows[2] |= change
    found = ratings.read_ratings([save(folder, rows, suffix)], tasks)
    (problem,) = found.problems
    assert problem.startswith("line 4: " if suffix == ".csv" else "line 3: ")
    assert words in problem
    assert len(found.rows) == len(tasks) - 1
    assert found.missing == (tasks[2].task,)


def test_a_task_is_rated_once_and_no_rater_hears_the_same_clips_twice(study):
    folder, _, tasks = study
    rows = filled(folder)
    path = save(folder, [*rows, rows[5]])
    (problem,) = ratings.read_ratings([path], tasks).problems
    assert f"a second rating of task {tasks[5].task}" in problem
    same = [n for n, x in enumerate(tasks) if x.prompt == tasks[0].prompt]
    for number in same:
        rows[number]["rater"] = "someone else"
    found = ratings.read_ratings([save(folder, rows)], tasks, max_bad_share=0.5)
    assert len(found.problems) == len(same) - 1 == 2
    assert "the same clips by someone else" in found.problems[0]


def test_each_rater_may_return_an_own_sheet(study):
    folder, _, tasks = study
    paths = []
    for rater in ("rater_01", "rater_02", "rater_03", "rater_04"):
        rows = filled(folder)
        for row in rows:
            if row["rater"] != rater:
                row["score_first"] = row["score_second"] = ""
        paths.append(folder / f"{rater}.csv")
        files.write_csv(paths[-1], rows)
    found = ratings.read_ratings(paths, tasks)
    assert (len(found.rows), found.problems, found.missing) == (120, (), ())
    again = ratings.read_ratings([*paths, paths[0]], tasks, max_bad_share=0.5)
    assert len(again.rows) == 120
    assert len(again.problems) == sum(task.rater == "rater_01" for task in tasks)
    assert again.problems[0].startswith(f"{paths[0]}, line 2: a second rating")


def test_half_a_line_is_a_bad_row(study):
    folder, _, tasks = study
    for suffix in (".csv", ".jsonl"):
        path = save(folder, filled(folder), suffix)
        path.write_text(path.read_text().rstrip()[:-16])
        found = ratings.read_ratings([path], tasks)
        assert len(found.problems) == 1
        assert found.missing == (tasks[-1].task,)


def test_a_rater_may_be_number_0_but_not_null(study):
    folder, _, tasks = study
    rows = filled(folder)
    rows[0]["rater"], rows[1]["rater"] = 0, None
    found = ratings.read_ratings([save(folder, rows, ".jsonl")], tasks)
    assert found.rows[0].rater == "0"
    (problem,) = found.problems
    assert problem.startswith("line 2: ")
    assert problem.endswith("has no rater")


def test_true_is_no_score(study):
    folder, _, tasks = study
    rows = filled(folder)
    rows[0]["score_first"] = True
    found = ratings.read_ratings([save(folder, rows, ".jsonl")], tasks)
    assert "got True" in found.problems[0]


def test_too_many_bad_rows_are_refused_with_the_first(study):
    folder, _, tasks = study
    path = save(folder, filled(folder, lambda number: (3, 9 if number < 6 else 3)))
    with pytest.raises(errors.InputError, match=r"114 good and 6 bad.*line 2: a score"):
        ratings.read_ratings([path], tasks)
    assert len(ratings.read_ratings([path], tasks, max_bad_share=0.05).problems) == 6


def test_a_file_without_the_fields_is_refused(study):
    folder, _, tasks = study
    rows = [{"task": task.task, "score": 3} for task in tasks]
    with pytest.raises(errors.InputError, match="lacks rater, score_first"):
        ratings.read_ratings([save(folder, rows)], tasks)
    with pytest.raises(errors.InputError, match="0 good and 120 bad"):
        ratings.read_ratings([save(folder, rows, ".jsonl")], tasks)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        (files.KEY, "", "needs tasks"),
        (files.KEY, "{", "Expecting property name"),
        (files.KEY, '{"task": "a"}', "missing"),
        (files.DESIGN, "{}", "models"),
    ],
)
def test_a_damaged_study_is_refused(study, name, text, words):
    folder, *_ = study
    (folder / name).write_text(text)
    with pytest.raises(errors.InputError, match=words):
        files.read_study(folder)


def test_a_key_of_another_study_is_refused(study, tmp_path):
    folder, *_ = study
    other = made_up_studies.make_design(prompts=3)
    files.write_study(tmp_path / "other", other, plan.make_tasks(other))
    (folder / files.KEY).write_bytes((tmp_path / "other" / files.KEY).read_bytes())
    with pytest.raises(errors.InputError, match="no such prompt or models"):
        files.read_study(folder)
