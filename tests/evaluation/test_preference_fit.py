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
    found = preference_fit.interval((np.arange(count) < right) * 1.0, confidence=0.9)
    expected = scipy.stats.binomtest(right, count).proportion_ci(0.9, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_intervals_of_the_papers_accuracies():
    # The paper's evaluation set has 15,000 pairs (section 3.3, figure 6).
    for share, low, high in ((0.6, 0.592, 0.608), (0.533, 0.525, 0.541)):
        found = preference_fit.interval((np.arange(15_000) < 15_000 * share) * 1.0)
        assert (round(found.low, 3), round(found.high, 3)) == (low, high)


@pytest.mark.parametrize("right", [17, 0, 40])
def test_the_same_vote_again_says_nothing_new(right):
    once = (np.arange(40) < right) * 1.0
    alone = preference_fit.interval(once)
    for times in (2, 8):
        many, clusters = np.repeat(once, times), np.repeat(np.arange(40), times)
        found = preference_fit.interval(many, clusters)
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
        assert (found.pairs, found.clusters) == (40 * times, 40)
        flat = preference_fit.interval(many)
        assert flat.high - flat.low < found.high - found.low


def test_independent_votes_of_a_cluster_count_one_by_one():
    draw = np.random.default_rng(0)
    right, clusters = (draw.random(80_000) < 0.6) * 1.0, np.arange(80_000) // 8
    found, flat = (preference_fit.interval(right, x) for x in (clusters, None))
    assert found.high - found.low == pytest.approx(flat.high - flat.low, rel=0.03)


def test_clustered_intervals_cover_the_truth_where_others_do_not():
    """Binomial bound: 400 sets of 100 pairs whose eight users mostly agree."""
    draw = np.random.default_rng(1)
    clusters, hits = np.repeat(np.arange(100), 8), {"clustered": 0, "flat": 0}
    for _ in range(400):
        chance = draw.beta(0.6, 0.4, 100)
        right = (draw.random(800) < np.repeat(chance, 8)) * 1.0
        for name, groups in (("clustered", clusters), ("flat", None)):
            found = preference_fit.interval(right, groups)
            hits[name] += found.low <= 0.6 <= found.high
    assert hits["clustered"] >= scipy.stats.binom.ppf(0.001, 400, 0.95)
    assert hits["flat"] < 0.8 * 400


@pytest.mark.parametrize("count", [2, 3, 5, 10, 20])
@pytest.mark.parametrize("shape", [(0.3, 0.2), (1.2, 0.8), (600.0, 400.0)])
def test_few_clusters_are_covered_as_often_as_stated(count, shape):
    """Binomial bound: 600 sets of clusters of eight votes, from hardly to mostly alike.

    Without t in place of z, 2 clusters are covered 70 to 80 % of the time.
    """
    draw = np.random.default_rng(2)
    clusters, hits = np.repeat(np.arange(count), 8), 0
    for _ in range(600):
        chance = draw.beta(*shape, count)
        right = (draw.random(8 * count) < np.repeat(chance, 8)) * 1.0
        found = preference_fit.interval(right, clusters)
        hits += found.low <= 0.6 <= found.high
    assert hits >= scipy.stats.binom.ppf(0.001, 600, 0.95)


def test_the_interval_is_wilsons_of_the_corrected_number():
    # Six clusters of 20 votes, of which so many are right: half of all.
    sums = np.array([4, 16, 10, 10, 7, 13])
    right = np.concatenate([(np.arange(20) < x) * 1.0 for x in sums])
    found = preference_fit.interval(right, np.repeat(np.arange(6), 20))
    variance = np.var(sums / 20, ddof=1) / 6
    t, z = scipy.stats.t.ppf(0.975, 5), scipy.stats.norm.ppf(0.975)
    worth = 0.25 / variance * (z / t) ** 2
    assert 6 < worth < 120
    half = 0.5 * z / np.sqrt(worth + z**2)
    assert (found.low, found.high) == pytest.approx((0.5 - half, 0.5 + half))


@pytest.mark.parametrize("right", [0, 3, 8])
def test_one_cluster_is_worth_one_vote(right):
    votes = (np.arange(8) < right) * 1.0
    found = preference_fit.interval(votes, np.zeros(8, int))
    z, share = scipy.stats.norm.ppf(0.975), right / 8
    half = z * np.sqrt(share * (1 - share) + z**2 / 4) / (1 + z**2)
    centre = (share + z**2 / 2) / (1 + z**2)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))


def test_a_fit_clusters_its_sides_too():
    many = [np.repeat(x, 3) for x in (PREFERRED, OTHER, FIRST)]
    found = preference_fit.fit(*many, clusters=np.repeat(np.arange(4), 3))
    once = preference_fit.fit(PREFERRED, OTHER, FIRST)
    assert found.accuracy.high == pytest.approx(once.accuracy.high)
    assert found.by_side["first_preferred"].clusters == 2
    figures = found.figures()
    assert (figures["pairs"], figures["clusters"]) == (12, 4)
    assert isinstance(figures["pairs"], int)


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
    again = [np.repeat(x, 5) for x in (one, other)]
    clusters = np.repeat(np.arange(len(one)), 5)
    assert preference_fit.mcnemar(*again, clusters) == pytest.approx(expected)


def test_rejects_what_cannot_be_compared():
    with pytest.raises(errors.InputError, match="Score the same pairs"):
        preference_fit.fit(PREFERRED[:2], OTHER[:2], FIRST)
    with pytest.raises(errors.InputError, match="finite"):
        preference_fit.fit(PREFERRED * np.nan, OTHER, FIRST)
