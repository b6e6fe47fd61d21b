"""Fit of predicted opinions: rank correlation, error and bins by hand."""

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation import opinion_scores

PREDICTED = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 4.5])
OPINION = np.array([1.5, 2.5, 2.0, 5.0, 4.0, 4.5])


def test_figures_by_hand():
    fit = opinion_scores.fit(PREDICTED, OPINION, bins=3)
    # Ranks 1 2 3 4 6 5 against 1 3 2 6 4 5: squared differences 0 1 1 4 4 0.
    assert fit.spearman == pytest.approx(1 - 6 * 10 / (6 * 35))
    assert fit.mse == pytest.approx((0.25 + 0.25 + 1 + 1 + 1 + 0) / 6)
    assert fit.variance == pytest.approx(OPINION.var())
    assert fit.bins == (
        opinion_scores.Bin(clips=2, predicted=1.5, opinion=2.0),
        opinion_scores.Bin(clips=2, predicted=3.5, opinion=3.5),
        opinion_scores.Bin(clips=2, predicted=4.75, opinion=4.25),
    )
    assert fit.calibration_error == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    assert fit.figures()["clips"] == 6


def test_unbiased_predictions_are_calibrated_and_shifted_ones_are_not():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(1, 5, 4_000)
    opinion = predicted + rng.normal(0, 0.5, 4_000)
    right = opinion_scores.fit(predicted, opinion)
    assert right.calibration_error < 0.05
    shifted = opinion_scores.fit(predicted + 0.7, opinion)
    assert shifted.calibration_error == pytest.approx(0.7, abs=0.05)
    assert shifted.spearman == pytest.approx(right.spearman)


def test_what_does_not_vary_has_no_rank():
    assert opinion_scores.spearman(np.full(4, 3.0), np.arange(4.0)) == 0.0


def test_groups_are_judged_alone():
    groups = ["a", "a", "a", "b", "b", "c"]
    fits = opinion_scores.fit_by_group(PREDICTED, OPINION, groups)
    assert list(fits) == ["a", "b"]
    assert fits["a"].spearman == pytest.approx(0.5)
    assert fits["b"].spearman == pytest.approx(-1.0)


def test_rejects_what_cannot_be_compared():
    with pytest.raises(errors.InputError, match="2 clips or more"):
        opinion_scores.fit(PREDICTED[:1], OPINION[:1])
    with pytest.raises(errors.InputError, match="same clips"):
        opinion_scores.fit(PREDICTED, OPINION[:-1])
