"""Fits of scores to choices: closed forms, SciPy's interval, known calibration."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from musicrl_jax.core import errors
from musicrl_jax.evaluation import preference_fit

PREFERRED = np.array([2.0, 1.0, 0.0, 3.0])
OTHER = np.array([1.0, 1.0, 2.0, 0.0])
FIRST = np.array([True, True, False, False])


def test_figures_by_hand():
    found = preference_fit.fit(PREFERRED, OTHER, FIRST, ceiling=0.75, bins=2)
    figures = found.figures()
    assert figures["accuracy"] == 2.5 / 4
    assert figures["accuracy/first_preferred"] == 1.5 / 2
    assert figures["accuracy/second_preferred"] == 1 / 2
    assert figures["share_of_ceiling"] == pytest.approx(0.125 / 0.25)
    margins = [1.0, 0.0, -2.0, 3.0]
    nll = np.mean([np.log(1 + np.exp(-m)) for m in margins])
    assert figures["nll"] == pytest.approx(nll)
    low, high = found.bins
    assert (low.margin, high.margin) == (0.5, 2.5)
    assert (low.accuracy, high.accuracy) == (0.75, 0.5)
    sure = scipy.special.expit([0.0, 1.0, 2.0, 3.0])
    assert low.confidence == pytest.approx(sure[:2].mean())
    error = (abs(sure[:2].mean() - 0.75) + abs(sure[2:].mean() - 0.5)) / 2
    assert figures["calibration_error"] == pytest.approx(error)


def test_swapped_choices_turn_the_accuracy_round():
    one = preference_fit.fit(PREFERRED, OTHER, FIRST)
    other = preference_fit.fit(OTHER, PREFERRED, ~FIRST)
    assert one.accuracy.share + other.accuracy.share == 1
    assert one.of_ceiling is None
    assert "share_of_ceiling" not in one.figures()


@pytest.mark.parametrize(("right", "count"), [(93, 156), (0, 7), (303, 303)])
def test_interval_is_scipys_wilson_interval(right, count):
    found = preference_fit.interval((np.arange(count) < right) * 1.0, 0.9)
    expected = scipy.stats.binomtest(right, count).proportion_ci(0.9, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_intervals_of_the_papers_accuracies():
    # The paper's evaluation set has 15,000 pairs (section 3.3, figure 6).
    for share, low, high in ((0.6, 0.592, 0.608), (0.533, 0.525, 0.541)):
        found = preference_fit.interval((np.arange(15_000) < 15_000 * share) * 1.0)
        assert (round(found.low, 3), round(found.high, 3)) == (low, high)


def test_choices_drawn_by_the_scores_are_calibrated():
    draw = np.random.default_rng(0)
    a, b = draw.normal(0, 1.5, (2, 60_000))
    first = draw.random(60_000) < scipy.special.expit(a - b)
    found = preference_fit.fit(
        np.where(first, a, b), np.where(first, b, a), first, ceiling=None
    )
    # A bin has 12,000 pairs: a standard error below 0.005.
    assert found.calibration_error < 0.01
    assert [one.accuracy for one in found.bins] == sorted(
        one.accuracy for one in found.bins
    )
    overconfident = preference_fit.by_margin(
        3 * (np.where(first, a, b) - np.where(first, b, a))
    )
    assert overconfident[2].confidence - overconfident[2].accuracy > 0.1


def test_mcnemar_counts_the_pairs_on_which_predictors_differ():
    one = np.array([1.0] * 9 + [0.0] * 3 + [1.0] * 50)
    other = np.array([0.0] * 9 + [1.0] * 3 + [1.0] * 50)
    # Twelve throws of a coin: 9 or more heads, or 3 or fewer.
    expected = 2 * (220 + 66 + 12 + 1) / 2**12
    assert preference_fit.mcnemar(one, other) == pytest.approx(expected)
    assert preference_fit.mcnemar(one, one) == 1


def test_rejects_what_cannot_be_compared():
    with pytest.raises(errors.InputError, match="Score the same pairs"):
        preference_fit.fit(PREFERRED[:2], OTHER[:2], FIRST)
    with pytest.raises(errors.InputError, match="finite"):
        preference_fit.fit(PREFERRED * np.nan, OTHER, FIRST)
