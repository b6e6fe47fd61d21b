"""The pigeonhole bootstrap: closed forms, and how often its intervals cover."""

import numpy as np
import pytest
import scipy.stats

from musicrl_jax.core import errors
from musicrl_jax.evaluation import resampling

PROMPTS, RATERS = 12, 5


def crossed():
    """Returns a full design: each rater rates each prompt once."""
    return np.repeat(np.arange(PROMPTS), RATERS), np.tile(np.arange(RATERS), PROMPTS)


def test_a_weight_is_that_of_the_prompt_times_that_of_the_rater():
    weights = resampling.crossed_weights(*crossed(), resamples=50, seed=0)
    # A full design keeps its number of ratings, and each resample is of rank 1.
    np.testing.assert_array_equal(weights.sum(axis=1), PROMPTS * RATERS)
    for one in weights.reshape(50, PROMPTS, RATERS):
        np.testing.assert_array_equal(
            one * PROMPTS * RATERS, np.outer(one.sum(axis=1), one.sum(axis=0))
        )
    assert np.all(weights.reshape(50, PROMPTS, RATERS).sum(axis=2) % RATERS == 0)


def test_mean_and_variance_are_those_of_prompts_raters_and_both():
    draw = np.random.default_rng(1)
    table = draw.normal(size=(PROMPTS, 1)) + draw.normal(size=RATERS)
    table += draw.normal(size=(PROMPTS, RATERS))
    weights = resampling.crossed_weights(*crossed(), resamples=40_000, seed=2)
    means = weights @ table.ravel() / table.size
    by_prompt = np.var(table.mean(axis=1)) / PROMPTS
    by_rater = np.var(table.mean(axis=0)) / RATERS
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0)
    both = np.var(rest) / table.size  # adding the mean back changes no variance
    assert means.mean() == pytest.approx(table.mean(), abs=4 * means.std() / 200)
    assert np.var(means) == pytest.approx(by_prompt + by_rater + both, rel=0.05)


def test_rows_may_come_in_any_order_under_any_numbers():
    prompts, raters = crossed()
    order = np.random.default_rng(3).permutation(len(prompts))
    plain = resampling.crossed_weights(prompts, raters, resamples=20, seed=0)
    found = resampling.crossed_weights(
        prompts[order] * 7 - 3, raters[order] + 9, resamples=20, seed=0
    )
    np.testing.assert_array_equal(found, plain[:, order])


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_intervals_cover_the_mean_of_other_prompts_and_raters(level):
    """Binomial bound: 200 studies of 101 prompts, of 12 raters whose levels differ.

    Intervals of resampled ratings alone cover 64 % of the time at a level of 0.5.
    """
    draw, hits = np.random.default_rng(4), 0
    prompts = np.repeat(np.arange(101), 3)
    for _ in range(200):
        # Three different raters a prompt, and all as often as any other.
        raters = np.concatenate([draw.permutation(12) for _ in range(26)])[:303]
        scores = 0.5 * draw.normal(size=101)[prompts] + 0.7 * draw.normal(size=303)
        scores += level * draw.normal(size=12)[raters]
        weights = resampling.crossed_weights(prompts, raters, resamples=300, seed=0)
        means = weights @ scores / weights.sum(axis=1)
        low, high = resampling.percentile_interval(means)
        hits += low <= 0 <= high
    assert hits >= scipy.stats.binom.ppf(0.001, 200, 0.94)


def test_interval_leaves_out_what_is_not_known():
    values = np.array([np.nan, *np.arange(101.0)])
    assert resampling.percentile_interval(values) == pytest.approx((2.5, 97.5))
    low, high = resampling.percentile_interval(np.full(3, np.nan))
    assert np.isnan(low)
    assert np.isnan(high)


def test_refuses_nothing():
    none = np.zeros(0, np.int64)
    with pytest.raises(errors.InputError, match="needs rows"):
        resampling.crossed_weights(none, none, resamples=1, seed=0)
