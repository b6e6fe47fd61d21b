"""Simulated scores against the closed form of their distribution."""

import dataclasses

import numpy as np
import pytest
import scipy.stats

from musicrl_jax.core import errors
from musicrl_jax.synthesis import simulated_raters

CONFIG = simulated_raters.SimulatedRatersConfig(pool=400, per_clip=3, seed=5)


def expected(strength, config=CONFIG):
    """Returns the mean of a rounded normal variable, held between 1 and 5."""
    heard = 5 - config.full_loss * strength
    deviation = np.hypot(config.bias, config.noise)
    limits = np.array([1.5, 2.5, 3.5, 4.5])
    return 1 + scipy.stats.norm.sf(limits, heard, deviation).sum()


def scores(strength, clips=400, config=CONFIG):
    return np.array(
        [
            [score.score for score in simulated_raters.rate(config, clip, strength)]
            for clip in range(clips)
        ]
    )


def test_mean_score_follows_the_law_and_falls_with_strength():
    strengths = np.linspace(0, 1, 6)
    law = [expected(strength) for strength in strengths]
    assert np.all(np.diff(law) < 0)
    found = [scores(strength).mean() for strength in strengths]
    # 1,200 scores with a deviation below 0.65: a standard error below 0.02, and the
    # mean bias of 400 raters adds 0.015.
    np.testing.assert_allclose(found, law, atol=0.1)
    assert np.all(np.diff(found) < 0)


def test_scores_are_whole_points_from_one_to_five():
    found = np.unique([scores(strength, 100) for strength in (0.0, 0.5, 1.0)])
    assert found.tolist() == [1, 2, 3, 4, 5]


def test_same_clip_same_scores_by_distinct_raters():
    one = simulated_raters.rate(CONFIG, 7, 0.5)
    assert one == simulated_raters.rate(CONFIG, 7, 0.5)
    assert len({score.rater for score in one}) == 3
    assert all(score.rater.startswith("simulated_") for score in one)
    assert one != simulated_raters.rate(CONFIG, 8, 0.5)


def test_without_bias_and_noise_everybody_agrees():
    config = dataclasses.replace(CONFIG, bias=0.0, noise=0.0)
    assert (scores(0.5, 20, config) == 3).all()


def test_a_rater_is_strict_or_mild_throughout():
    config = simulated_raters.SimulatedRatersConfig(
        pool=4, per_clip=4, bias=1.0, noise=0.0
    )
    orders = {
        tuple(
            score.score
            for score in sorted(
                simulated_raters.rate(config, clip, 0.5), key=lambda one: one.rater
            )
        )
        for clip in range(10)
    }
    assert len(orders) == 1
    assert len(set(orders.pop())) > 1


@pytest.mark.parametrize("fields", [{"per_clip": 0}, {"pool": 2}, {"noise": -1.0}])
def test_rejects_impossible_pools(fields):
    with pytest.raises(errors.InputError, match="SimulatedRatersConfig"):
        simulated_raters.SimulatedRatersConfig(**fields)
