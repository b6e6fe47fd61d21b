"""Krippendorff's alpha against his example, pairs by hand, and its limits."""

import itertools

import numpy as np
import pytest
import sklearn.metrics

from musicrl_jax.core import errors
from musicrl_jax.evaluation import agreement

GAP = np.nan
# Krippendorff (2011), section C: 4 observers, 12 units.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
    [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
]


def by_pairs(scores):
    """Returns alpha from its definition: sums over ordered pairs of scores."""
    units = [row[np.isfinite(row)] for row in scores]
    units = [row for row in units if len(row) > 1]
    values = np.concatenate(units)
    within = sum(
        (a - b) ** 2 / (len(row) - 1)
        for row in units
        for a, b in itertools.permutations(row, 2)
    )
    between = sum((a - b) ** 2 for a, b in itertools.permutations(values, 2))
    return 1 - (within / len(values)) / (between / len(values) / (len(values) - 1))


def test_agrees_with_the_published_example():
    alpha = agreement.krippendorff_alpha(np.array(OBSERVERS).T)
    assert alpha == pytest.approx(0.849, abs=5e-4)


def test_agrees_with_a_sum_by_hand():
    # Within: 2 ordered pairs of (1, 2) and of (4, 4): 2 / 4 scores.
    # Between: 2 * (1 + 9 + 9 + 4 + 4 + 0) = 54 / 12 ordered pairs.
    alpha = agreement.krippendorff_alpha(np.array([[1.0, 2.0], [4.0, 4.0]]))
    assert alpha == pytest.approx(1 - (2 / 4) / (54 / 12))


def test_agrees_with_the_definition_where_scores_are_missing():
    rng = np.random.default_rng(0)
    scores = rng.integers(1, 6, (30, 5)).astype(float)
    scores[rng.random(scores.shape) < 0.4] = GAP
    assert agreement.krippendorff_alpha(scores) == pytest.approx(by_pairs(scores))


def test_limits():
    rng = np.random.default_rng(1)
    same = np.repeat(rng.normal(size=(40, 1)), 3, axis=1)
    assert agreement.krippendorff_alpha(same) == pytest.approx(1.0)
    chance = agreement.krippendorff_alpha(rng.normal(size=(2_000, 3)))
    assert abs(chance) < 0.05
    assert agreement.krippendorff_alpha(np.array([[1.0, 5.0], [5.0, 1.0]])) < 0


def test_rejects_single_scores():
    with pytest.raises(errors.InputError, match="two scores"):
        agreement.krippendorff_alpha(np.array([[1.0, GAP], [GAP, 2.0]]))


def test_nominal_and_ordinal_agree_with_the_published_example():
    scores = np.array(OBSERVERS).T
    nominal = agreement.krippendorff_alpha_nominal(scores)
    assert nominal == pytest.approx(0.743, abs=5e-4)
    ordinal = agreement.krippendorff_alpha_ordinal(scores)
    assert ordinal == pytest.approx(0.815, abs=5e-4)


def test_all_three_scales_are_one_for_two_values():
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 2, (40, 3)).astype(float)
    scores[rng.random(scores.shape) < 0.2] = GAP
    expected = by_pairs(scores)
    for alpha in (
        agreement.krippendorff_alpha,
        agreement.krippendorff_alpha_nominal,
        agreement.krippendorff_alpha_ordinal,
    ):
        assert alpha(scores) == pytest.approx(expected)


def test_pairwise_agreement_counts_pairs():
    # Pairs that agree: 1 of 3, 1 of 1, 0 of 1.
    scores = np.array([[1.0, 1, 2], [3, 3, GAP], [1, GAP, 5], [4, GAP, GAP]])
    assert agreement.pairwise_agreement(scores) == pytest.approx(2 / 5)


def test_kappa_agrees_with_another_implementation():
    rng = np.random.default_rng(3)
    one = rng.integers(0, 3, 200).astype(float)
    other = np.where(rng.random(200) < 0.5, one, rng.integers(0, 3, 200))
    expected = sklearn.metrics.cohen_kappa_score(one, other)
    assert agreement.cohen_kappa(one, other) == pytest.approx(expected)
    assert np.isnan(agreement.cohen_kappa(np.ones(4), np.ones(4)))
    with pytest.raises(errors.InputError, match="got 1 and 2"):
        agreement.cohen_kappa(np.ones(1), np.ones(2))


@pytest.mark.parametrize(
    "alpha",
    [
        agreement.krippendorff_alpha,
        agreement.krippendorff_alpha_nominal,
        agreement.krippendorff_alpha_ordinal,
    ],
)
def test_scores_that_never_vary_have_no_alpha(alpha):
    assert np.isnan(alpha(np.full((4, 2), 3.0)))
    assert np.isnan(alpha(np.full((3, 3), 0.1)))
