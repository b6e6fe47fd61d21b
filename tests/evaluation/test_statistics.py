"""Paired statistics against scipy, closed forms and their coverage."""

import numpy as np
import pytest
import scipy.stats

from musicrl_jax.core import errors
from musicrl_jax.evaluation import statistics


def test_agrees_with_scipys_paired_test():
    rng = np.random.default_rng(0)
    before = rng.normal(size=40)
    after = before + rng.normal(0.3, 0.5, size=40)
    result = statistics.compare_pairs(before, after)
    expected = scipy.stats.ttest_rel(after, before)
    np.testing.assert_allclose(result.in_standard_errors, expected.statistic)
    assert result.improved + result.worsened == result.pairs == 40
    assert result.low < result.difference < result.high


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(60):
        difference = rng.normal(0.2, 1, size=64)
        result = statistics.compare_pairs(np.zeros(64), difference, seed=trial)
        covered += result.low <= 0.2 <= result.high
    assert 50 <= covered <= 60


def test_sign_test_of_shares_is_mcnemars():
    before = np.array([0] * 9 + [1] * 2 + [1] * 20)
    after = np.array([1] * 9 + [0] * 2 + [1] * 20)
    result = statistics.compare_pairs(before, after)
    assert (result.improved, result.worsened) == (9, 2)
    by_hand = 2 * (1 + 11 + 55) / 2**11
    np.testing.assert_allclose(result.sign_p_value, by_hand)


def test_swapping_before_and_after_flips_the_sign():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 30))
    one, other = statistics.compare_pairs(a, b), statistics.compare_pairs(b, a)
    assert one.difference == -other.difference
    assert one.standard_error == pytest.approx(other.standard_error)
    assert one.sign_p_value == other.sign_p_value


def test_nothing_changed():
    result = statistics.compare_pairs(np.arange(5.0), np.arange(5.0))
    assert result.in_standard_errors == 0.0
    assert result.sign_p_value == 1.0
    assert not result.significant


def test_a_constant_change_is_certain():
    result = statistics.compare_pairs(np.arange(5), np.arange(5) - 1)
    assert result.in_standard_errors == -np.inf
    assert (result.low, result.high) == (-1.0, -1.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (np.zeros(3), np.zeros(4)),
        (np.zeros(1), np.zeros(1)),
        (np.zeros(2), [0, np.nan]),
    ],
)
def test_rejects_what_cannot_be_compared(before, after):
    with pytest.raises(errors.InputError):
        statistics.compare_pairs(before, np.asarray(after))
