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


def test_progress_tells_rate_and_time_left_since_it_began():
    text = io.StringIO()
    now = [0.0]
    show = progress.Progress(
        "codec", rich.console.Console(file=text, width=80), clock=lambda: now[0]
    )
    show(1000, 2000)  # a run that goes on from step 1000
    now[0] = 50.0
    figures = {"gradient/norm": 2.0, "loss": 0.5, "time/examples_per_second": 64.0}
    show(1100, 2000, figures)
    first, second = text.getvalue().splitlines()
    assert first == "codec: 1000 of 2000"
    assert second == (
        "codec: 1100 of 2000 2/s, 0:07:30 left loss=0.5 gradient/norm=2 64 examples/s"
    )


def test_each_piece_of_work_is_announced_and_has_its_own_rate():
    text = io.StringIO()
    now = [0.0]
    show = progress.Progress(
        "starter", rich.console.Console(file=text, width=80), clock=lambda: now[0]
    )
    calls = [(0, 1, 0), (4, 4, 5), (0, 1, 6), (100, 300, 7), (200, 300, 57)]
    for done, total, seconds in calls:
        now[0] = seconds
        show(done, total)
    assert text.getvalue().splitlines() == [
        "starter: 0 of 1",
        "starter: 4 of 4",
        "starter: 0 of 1",
        "starter: 100 of 300",
        "starter: 200 of 300 2/s, 0:00:50 left",
    ]


def test_the_stage_comes_first_and_hides_no_figure():
    figures = {"stage": 2, "stages": 14, "a": 1, "b": 2, "loss": 3.0, "c": 4, "d": 5}
    text = progress.describe(figures)
    assert text == "stage=2 stages=14 loss=3 a=1 b=2 c=4"


def test_losses_come_before_other_figures():
    figures = {"gradient/norm": 3.0, "loss/mel": 1.0, "loss/waveform": 0.5}
    text = progress.describe(figures)
    assert text == "loss/mel=1 loss/waveform=0.5 gradient/norm=3"


def test_progress_draws_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    text = io.StringIO()
    console = rich.console.Console(file=text, width=120, force_terminal=True)
    now = [0.0]
    show = progress.Progress("codec", console, clock=lambda: now[0])
    for done in (50, 75, 100):
        now[0] += 5.0
        show(done, 100, {"loss": 0.25})
    shown = text.getvalue()
    assert "5/s, 0:00:05 left loss=0.25" in shown
    assert "100/100" in shown


def test_records_within_a_result_are_tables_under_their_names(capsys):
    output.show({"rows": [{"a": 1, "b": 22}, {"a": 3, "b": 4}], "n": 2}, as_json=False)
    assert capsys.readouterr().out == "rows:\na  b\n1  22\n3  4\n\nn:    2\n"
    # Records of different fields make no table.
    output.show({"rows": [{"a": 1}, {"b": 2}]}, as_json=False)
    assert capsys.readouterr().out == "rows: [{'a': 1}, {'b': 2}]\n"


def test_counts_are_shown_whole_and_other_figures_short():
    shown = progress.describe({"held_out/pairs": 1500, "held_out/nll": 0.654321})
    assert shown == "held_out/pairs=1500 held_out/nll=0.654"
