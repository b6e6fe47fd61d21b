"""Time of a command over its calls."""

import pytest

from musicrl_jax.runs import wall_clock


def test_calls_add_up(tmp_path):
    path = tmp_path / "seconds.json"
    first = wall_clock.WallClock(path, iter([10.0, 13.0]).__next__)
    first.save()
    second = wall_clock.WallClock(path, iter([100.0, 104.5]).__next__)
    assert second.total() == pytest.approx(7.5)
    second.forget()
    assert wall_clock.WallClock(path, iter([1.0, 3.0]).__next__).total() == 2.0


def test_a_damaged_file_counts_for_nothing(tmp_path):
    path = tmp_path / "seconds.json"
    path.write_text("[", encoding="utf-8")
    assert wall_clock.WallClock(path, iter([1.0, 3.0]).__next__).total() == 2.0
    wall_clock.WallClock(tmp_path / "absent" / "seconds.json").save()
