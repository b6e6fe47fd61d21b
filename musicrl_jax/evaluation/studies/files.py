"""Files of a study: what raters get, the key that they do not get, and their ratings.

    study/for_raters/  tasks.csv, tasks.jsonl, instructions.txt, audio/
    study/key.jsonl    which model made which clip of a task
    study/design.json  models, prompts, numbers and seed

A filled-in `tasks.csv` is a ratings file. So is any CSV or `.jsonl` file with the
fields task, rater, score_first and score_second; others are ignored, and a row without
both scores is a task not done yet.
"""

import csv
import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.evaluation.studies import plan

FOR_RATERS = "for_raters"
AUDIO = "audio"
KEY = "key.jsonl"
DESIGN = "design.json"
TASKS = "tasks"
INSTRUCTIONS = "instructions.txt"
SCORES = ("score_first", "score_second")


def write_study(
    folder: pathlib.Path, design: plan.Design, tasks: Sequence[plan.Task]
) -> None:
    """Writes all of a study but its audio."""
    names = plan.clip_names(design)
    public = [
        {
            "task": task.task,
            "rater": task.rater,
            "prompt": design.prompts[task.prompt],
            "first": f"{AUDIO}/{names[task.first, task.prompt]}",
            "second": f"{AUDIO}/{names[task.second, task.prompt]}",
        }
        | dict.fromkeys(SCORES)
        for task in tasks
    ]
    raters = folder / FOR_RATERS
    raters.mkdir(parents=True, exist_ok=True)
    write_csv(raters / f"{TASKS}.csv", public)
    write_lines(raters / f"{TASKS}.jsonl", public)
    (raters / INSTRUCTIONS).write_text(plan.INSTRUCTIONS, encoding="utf-8")
    write_lines(folder / KEY, [dataclasses.asdict(task) for task in tasks])
    text = json.dumps(dataclasses.asdict(design), indent=1, ensure_ascii=False)
    (folder / DESIGN).write_text(text + "\n", encoding="utf-8")


def read_study(folder: pathlib.Path) -> tuple[plan.Design, tuple[plan.Task, ...]]:
    """Reads design and key of a study.

    Raises:
      InputError: where either is missing or damaged.
    """
    try:
        fields = json.loads((folder / DESIGN).read_text(encoding="utf-8"))
        for name in ("models", "prompts"):
            fields[name] = tuple(fields[name])
        design = plan.Design(**fields)
        tasks = tuple(plan.Task(**json.loads(x)) for x in _lines(folder / KEY))
        _check_key(design, tasks)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise errors.InputError(
            f"{folder} must hold {DESIGN} and {KEY} as `musicrl study plan` wrote "
            f"them; {errors.reason(error)}. Pass that command's --out."
        ) from error
    return design, tasks


def read_clips(
    folder: pathlib.Path, tasks: Sequence[plan.Task]
) -> dict[tuple[str, int], str]:
    """Returns the file below `for_raters/` of the clip of each (model, prompt).

    Raises:
      InputError: where `for_raters/tasks.jsonl` is missing or of another study.
    """
    path = folder / FOR_RATERS / f"{TASKS}.jsonl"
    found: dict[tuple[str, int], str] = {}
    try:
        public = {row["task"]: row for row in map(json.loads, _lines(path))}
        for task in tasks:
            row = public[task.task]
            found[task.first, task.prompt] = str(row["first"])
            found[task.second, task.prompt] = str(row["second"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise errors.InputError(
            f"{path} must have the tasks of the study's key; {errors.reason(error)}. "
            "Put back the file that `musicrl study plan` wrote."
        ) from error
    return found


def write_csv(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes records with the same fields under their names; None is an empty cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def write_lines(path: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes records as JSON, one a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_text(cell: object) -> str:
    """Returns an id or label as text: a number such as 0 is one, null is none."""
    return "" if cell is None else str(cell).strip()


def _lines(path: pathlib.Path) -> list[str]:
    """Returns the lines of what `write_lines` wrote."""
    # Not splitlines: a prompt may hold other line separators, such as U+2028.
    lines = path.read_text(encoding="utf-8").split("\n")
    return [line for line in lines if line.strip()]


def _check_key(design: plan.Design, tasks: Sequence[plan.Task]) -> None:
    """Raises ValueError where the key does not belong to the design."""
    if not tasks or len({task.task for task in tasks}) < len(tasks):
        raise ValueError("the key needs tasks, each with its own id")
    pairs = {frozenset(pair) for pair in design.pairs}
    for task in tasks:
        in_range = 0 <= task.prompt < len(design.prompts)
        if not in_range or frozenset((task.first, task.second)) not in pairs:
            raise ValueError(f"task {task.task} has no such prompt or models")
