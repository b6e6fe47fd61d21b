"""Shares against Wilson's formula and exact tails; Figure 6 and the team's 60 %."""

import math

import pytest
import scipy.stats

from musicrl_jax.core import errors
from musicrl_jax.evaluation import proportions


@pytest.mark.parametrize(("count", "total"), [(0, 5), (1, 3), (94, 156), (197, 236)])
def test_interval_is_wilsons(count, total):
    z = scipy.stats.norm.ppf(0.975)
    middle = (count + z**2 / 2) / (total + z**2)
    spread = count * (total - count) / total + z**2 / 4
    half = z * math.sqrt(spread) / (total + z**2)
    found = proportions.share_of(count, total)
    assert found.share == count / total
    assert found.low == pytest.approx(middle - half, abs=1e-12)
    assert found.high == pytest.approx(middle + half, abs=1e-12)


def test_p_value_is_that_of_coin_flips():
    # 0 or 5 heads of 5: two of 32.
    assert proportions.share_of(5, 5).p_value == pytest.approx(2 / 32)
    # 1 or less, or 5 or more, of 6.
    assert proportions.share_of(1, 6).p_value == pytest.approx(2 * 7 / 64)
    assert proportions.share_of(3, 6).p_value == 1.0


def test_nothing_counted_says_nothing():
    found = proportions.share_of(0, 0)
    assert math.isnan(found.share)
    assert (found.low, found.high, found.p_value) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize(("count", "total"), [(3, 2), (-1, 2)])
def test_refuses_impossible_counts(count, total):
    with pytest.raises(errors.InputError, match=f"got {count} of {total}"):
        proportions.share_of(count, total)


@pytest.mark.parametrize(
    ("accuracy", "low", "high"), [(0.60, 0.592, 0.608), (0.533, 0.525, 0.541)]
)
def test_figure_6_has_narrow_intervals(accuracy, low, high):
    found = proportions.share_of(round(accuracy * 15_000), 15_000)
    assert (round(found.low, 3), round(found.high, 3)) == (low, high)


def test_the_mulan_predictor_of_figure_6_is_not_quite_random():
    found = proportions.share_of(round(0.516 * 15_000), 15_000)
    z = (0.516 - 0.5) / math.sqrt(0.25 / 15_000)
    assert found.p_value < 1e-4
    assert found.p_value == pytest.approx(2 * scipy.stats.norm.sf(z), rel=0.05)
    assert found.low > 0.5


def test_differences_below_a_point_are_noise_in_figure_6():
    found = proportions.share_of(9_000, 15_000)
    # Of two such shares: the half widths add in squares.
    assert math.sqrt(2) * (found.high - found.low) / 2 == pytest.approx(0.011, abs=5e-4)
