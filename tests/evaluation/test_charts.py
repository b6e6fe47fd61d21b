"""Curves of one run's processes: none hides another."""

import pytest

from musicrl_jax.evaluation import charts, facts, figures


@pytest.mark.parametrize(
    ("oldest", "names"),
    [(2.0, ["mean and oldest, the same"]), (3.0, ["mean", "oldest"])],
)
def test_equal_ages_of_clips_are_one_line_that_says_so(monkeypatch, oldest, names):
    rows = [
        {"step": float(i), "lag/mean": 2.0, "lag/max": oldest, "time/wait_share": 0.1}
        for i in range(1, 5)
    ]
    run = facts.RunFacts(learner=rows, actors={}, evaluator=[], clips_per_batch=1)
    shown = []
    monkeypatch.setattr(figures, "curves", lambda panels: shown.extend(panels) or b"")
    charts.lag_and_waiting(run)
    assert [line.label for line in shown[0].lines] == names
