"""Krippendorff's alpha against his example, pairs by hand, and its limits."""

import itertools

import numpy as np
import pytest

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
    assert agreement.krippendorff_alpha(np.full((4, 2), 3.0)) == 1.0
    chance = agreement.krippendorff_alpha(rng.normal(size=(2_000, 3)))
    assert abs(chance) < 0.05
    assert agreement.krippendorff_alpha(np.array([[1.0, 5.0], [5.0, 1.0]])) < 0


def test_rejects_single_scores():
    with pytest.raises(errors.InputError, match="two scores"):
        agreement.krippendorff_alpha(np.array([[1.0, GAP], [GAP, 2.0]]))
