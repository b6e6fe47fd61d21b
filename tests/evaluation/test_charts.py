"""Curves of one run's processes: none hides another."""

import io

import matplotlib.colors
import matplotlib.image
import numpy as np

from musicrl_jax.evaluation import charts, facts, figures


def test_equal_ages_of_clips_are_both_seen(tmp_path):
    rows = [
        {"step": float(i), "lag/mean": 2.0, "lag/max": 2.0, "time/wait_share": 0.1}
        for i in range(1, 20)
    ]
    run = facts.RunFacts(
        learner=rows,
        actors={},
        evaluator=[],
        clips_per_batch=1,
    )
    picture = matplotlib.image.imread(io.BytesIO(charts.lag_and_waiting(run)))
    left = picture[:, : picture.shape[1] // 2, :3]

    def columns(colour):
        near = np.abs(left - matplotlib.colors.to_rgb(colour)).max(axis=2) < 0.1
        return near[: left.shape[0] * 3 // 4].any(axis=0)

    oldest, mean = (columns(colour) for colour in figures.COLOURS[:2])
    drawn = np.flatnonzero(oldest | mean)
    # Between the dashes of one the other is seen, and beside them too.
    assert oldest[drawn].mean() > 0.95
    assert mean[drawn].mean() > 0.6
