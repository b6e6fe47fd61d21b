"""Signed ranks by hand and by enumeration; Holm's correction by a worked example."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from musicrl_jax.evaluation import rank_tests


def by_hand(differences):
    """Returns the p-value from ranks, without zeros, with the correction for ties."""
    kept = [x for x in differences if x]
    sizes = sorted(abs(x) for x in kept)
    rank = {x: np.mean([i + 1 for i, y in enumerate(sizes) if y == x]) for x in sizes}
    positive = sum(rank[abs(x)] for x in kept if x > 0)
    n = len(kept)
    ties = sum(sizes.count(x) ** 3 - sizes.count(x) for x in set(sizes))
    variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    z = (positive - n * (n + 1) / 4) / math.sqrt(variance)
    return 2 * scipy.stats.norm.sf(abs(z))


def by_enumeration(differences, *, pratt):
    """Returns the p-value from the statistic of each choice of signs."""
    ranked = differences if pratt else differences[differences != 0]
    ranks = scipy.stats.rankdata(np.abs(ranked))[ranked != 0]
    all_signs = np.array(list(itertools.product([0, 1], repeat=len(ranks))))
    sums = all_signs @ ranks
    positive = ranks @ (ranked[ranked != 0] > 0)
    tails = np.mean(sums <= positive + 1e-9), np.mean(sums >= positive - 1e-9)
    return min(1.0, 2 * min(tails))


def test_few_differences_have_the_exact_distribution():
    assert rank_tests.signed_rank(np.arange(1, 6.0)) == 0.0625
    rng = np.random.default_rng(0)
    for n in range(1, 11):
        for values in (rng.normal(size=n), rng.integers(-2, 4, n).astype(float)):
            for pratt, test in (
                (False, rank_tests.signed_rank),
                (True, rank_tests.signed_rank_pratt),
            ):
                expected = by_enumeration(np.round(values, 9), pratt=pratt)
                assert test(values) == pytest.approx(expected)


def test_the_exact_distribution_agrees_with_scipys_without_ties():
    values = np.random.default_rng(1).normal(0.3, 1, rank_tests.MOST_EXACT)
    expected = scipy.stats.wilcoxon(values, method="exact").pvalue
    assert rank_tests.signed_rank(values) == pytest.approx(expected)


def test_many_differences_have_the_normal_approximation_with_ties():
    differences = 5 * [1, 2, -1, 0, 3, 1, 0, -2, 4, 1, -3, -2, -1, 3]
    found = rank_tests.signed_rank(np.array(differences, float))
    assert found == pytest.approx(by_hand(differences), rel=1e-9)


def test_pratt_counts_zeros_in_the_ranks():
    with_zeros = np.array([0.0] * 6 + [1, 1, 1, 2, 3, -2])
    without = with_zeros[with_zeros != 0]
    assert rank_tests.signed_rank_pratt(without) == rank_tests.signed_rank(without)
    assert rank_tests.signed_rank_pratt(with_zeros) != rank_tests.signed_rank(
        with_zeros
    )


def test_no_difference_is_no_evidence():
    assert rank_tests.signed_rank(np.zeros(9)) == 1.0
    assert rank_tests.signed_rank_pratt(np.zeros(9)) == 1.0


def test_means_of_thirds_tie_in_spite_of_rounding():
    # Three tenths, added up in two ways, differ in the last digit.
    noisy = np.array([0.1 + 0.2, 0.3, -0.3, 1.0, 1.0, 2.0])
    clean = np.array([0.3, 0.3, -0.3, 1.0, 1.0, 2.0])
    assert 0.1 + 0.2 != 0.3
    assert rank_tests.signed_rank(noisy) == rank_tests.signed_rank(clean)


def test_holm_agrees_with_a_worked_example():
    # 4 * 0.005, 3 * 0.01, 2 * 0.03, and 0.04 raised to the value before it.
    found = rank_tests.holm([0.01, 0.04, 0.03, 0.005])
    assert found == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert rank_tests.holm([0.5, 0.6]) == (1.0, 1.0)
    assert rank_tests.holm([]) == ()
