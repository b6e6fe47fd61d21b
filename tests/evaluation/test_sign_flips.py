"""Limits of falls: Student's t, Dunnett's test, and levels that add up."""

import numpy as np
import pytest
import scipy.stats

from musicrl_jax.core import errors
from musicrl_jax.evaluation import sign_flips

PROMPTS = 40


def noise(rows, seed=0, prompts=PROMPTS):
    return np.random.default_rng(seed).normal(size=(rows, prompts))


def test_falls_are_paired_t_statistics():
    scores = noise(5)
    found = sign_flips.falls(scores, 2, sign_flips.start)
    expected = [scipy.stats.ttest_rel(scores[0], row).statistic for row in scores[2:]]
    np.testing.assert_allclose(found, expected)
    best = sign_flips.falls(scores, 1, sign_flips.best)
    means = scores.mean(axis=1)
    against = [int(np.argmax(means[:now])) for now in range(1, 5)]
    expected = [
        scipy.stats.ttest_rel(scores[one], scores[now]).statistic
        for now, one in enumerate(against, start=1)
    ]
    np.testing.assert_allclose(best, expected)


def test_one_look_has_the_limit_of_students_t():
    found = sign_flips.limits([noise(2)], 1, sign_flips.start, 0.5)
    level = 0.5 * sign_flips.spent(1)
    expected = scipy.stats.t.isf(level, PROMPTS - 1)
    # 10,000 draws: a standard error of 0.02.
    assert found == pytest.approx([expected], abs=0.08)


def test_looks_at_fresh_noise_exceed_their_limits_as_often_as_they_may():
    """Chance that any of eight treatments falls below a control, as Dunnett has it."""
    looks, level, runs = 8, 0.1, 6_000
    limits = sign_flips.limits([noise(looks + 1)], 1, sign_flips.start, level)
    draw = np.random.default_rng(1).normal(size=(runs, looks + 1, PROMPTS))
    change = draw[:, :1] - draw[:, 1:]
    values = change.mean(axis=2) / scipy.stats.sem(change, axis=2)
    share = np.mean((values > limits).any(axis=1))
    assert share == pytest.approx(level * sign_flips.spent(looks), abs=0.015)


def test_the_same_reward_twice_costs_nothing():
    one = noise(6)
    once = sign_flips.limits([one], 1, sign_flips.best, 0.05)
    twice = sign_flips.limits([one, 3 * one], 1, sign_flips.best, 0.05)
    np.testing.assert_allclose(once, twice)


def test_a_reward_with_fewer_prompts_is_turned_by_the_same_signs():
    one = noise(6)
    whole, half = np.ones(PROMPTS, bool), np.arange(PROMPTS) % 2 == 0
    limits = [
        sign_flips.limits(scores, 1, sign_flips.start, 0.05, prompts)
        for scores, prompts in (
            ([one], [whole]),
            ([one, one[:, half]], [whole, half]),
            # The same prompts under another name cost nothing.
            ([one[:, half], 3 * one[:, half]], [half, half]),
            ([one[:, half]], [half]),
        )
    ]
    assert np.all(limits[0] <= limits[1] + 1e-9)
    np.testing.assert_allclose(limits[2], limits[3])


def test_the_level_is_never_used_up():
    shares = [sign_flips.spent(look) for look in range(1, 1000)]
    assert shares == sorted(shares)
    assert shares[sign_flips.HALF_SPENT - 1] == 0.5
    assert shares[-1] < 1


def test_what_fell_alike_for_all_prompts_is_sure():
    scores = np.array([[2.0], [1.0], [2.0], [3.0]]) + np.arange(PROMPTS)
    found = sign_flips.falls(scores, 1, sign_flips.start)
    assert found.tolist() == [np.inf, 0.0, -np.inf]


def test_two_prompts_say_nothing():
    limits = sign_flips.limits([noise(4, prompts=2)], 1, sign_flips.start, 0.05)
    assert np.isinf(limits).all()


def test_scores_that_are_not_finite_are_refused():
    scores = noise(4)
    scores[2, 1] = np.nan
    with pytest.raises(errors.InputError, match="finite scores"):
        sign_flips.limits([noise(4), scores], 1, sign_flips.start, 0.05)
