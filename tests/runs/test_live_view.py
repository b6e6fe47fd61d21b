import pytest

from musicrl_jax.core import writers
from musicrl_jax.runs import live_view


def test_a_run_that_has_not_begun_shows_dots_not_zeros(tmp_path):
    now = live_view.snapshot(tmp_path, steps=80)
    fields = live_view.describe(now, elapsed_seconds=3.0, first_step=0)
    assert fields["step"] == "0/80"
    assert fields["reward"] == fields["KL"] == fields["left"] == "..."


def test_the_view_shows_the_last_rows_and_the_time_left(tmp_path):
    for step in (1, 20):
        writers.JsonLinesWriter(tmp_path / "metrics" / "learner.jsonl").write(
            step, {"reward/mean": step / 100, "time/wait_share": 0.25}
        )
    for actor in range(2):
        writers.JsonLinesWriter(tmp_path / "metrics" / f"actor-{actor}.jsonl").write(
            3, {"clips": 48}
        )
    now = live_view.snapshot(tmp_path, steps=80, restarts=1)
    fields = live_view.describe(now, elapsed_seconds=30.0, first_step=10)
    assert fields["reward"] == "0.200"
    assert fields["learner waits"] == "25%"
    assert fields["clips"] == "96"
    assert fields["left"] == "180 s"
    assert fields["restarts"] == "1"


def test_only_the_last_whole_row_of_a_long_file_counts(tmp_path):
    path = tmp_path / "learner.jsonl"
    writer = writers.JsonLinesWriter(path)
    for step in range(5000):
        writer.write(step, {"reward/mean": 0.5})
    assert path.stat().st_size > live_view.LAST_BYTES
    with path.open("a") as file:
        file.write('{"step": 5000, "rew')
    assert live_view.latest(path)["step"] == 4999


def test_without_a_terminal_it_writes_plain_lines(tmp_path, capsys):
    with live_view.LiveView(tmp_path, steps=5) as view:
        view.update()
        view.update()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("step 0/5")


@pytest.mark.parametrize("row", [{}, {"other": 1.0}])
def test_missing_numbers_are_dots(row):
    assert live_view.number(row, "kl/sequence", "{:.1f}") == "..."
