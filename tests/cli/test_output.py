"""Results become plain values; progress speaks in lines where there is no terminal."""

import dataclasses
import io
import json
import pathlib

import numpy as np
import rich.console

from musicrl_jax.cli import output, progress


@dataclasses.dataclass(frozen=True)
class Result:
    path: pathlib.Path
    reward: np.floating
    rows: tuple[int, ...]


RESULT = Result(path=pathlib.Path("a.wav"), reward=np.float32(0.5), rows=(1, 2))


def test_json_holds_every_field(capsys):
    output.show(RESULT, as_json=True)
    expected = {"path": "a.wav", "reward": 0.5, "rows": [1, 2]}
    assert json.loads(capsys.readouterr().out) == expected


def test_text_has_one_line_a_field(capsys):
    output.show(RESULT, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["path:   a.wav", "reward: 0.5", "rows:   [1, 2]"]


def test_records_are_a_table(capsys):
    output.show((RESULT, dataclasses.replace(RESULT, rows=())), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "path   reward  rows",
        "a.wav  0.5     [1, 2]",
        "a.wav  0.5     []",
    ]


def test_nothing_is_shown_for_nothing(capsys):
    output.show(None, as_json=False)
    assert capsys.readouterr().out == ""


def test_error_is_one_line(capsys):
    output.error("first\n  second")
    assert capsys.readouterr().err == "musicrl: first second\n"


def test_progress_prints_lines_rarely_and_the_last_always():
    text = io.StringIO()
    now = [0.0]
    show = progress.Progress(
        "codec", rich.console.Console(file=text, width=80), clock=lambda: now[0]
    )
    for done in range(1, 101):
        now[0] += 0.25
        show(done, 100, {"loss": 1 / done})
    lines = text.getvalue().splitlines()
    assert lines[0].startswith("codec: 1 of 100 loss=1")
    assert lines[-1].startswith("codec: 100 of 100")
    assert len(lines) == 4
