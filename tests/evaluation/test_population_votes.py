"""Win rates of policies whose clips differ by a known amount."""

import dataclasses

import numpy as np
import pytest
import scipy.stats

from musicrl_jax.core import errors
from musicrl_jax.evaluation import population_votes
from musicrl_jax.synthesis import simulated_users

USERS = simulated_users.Population(
    traits=("rhythm", "quality"),
    weights=np.tile([[1.0, 2.0]], (30, 1)),
    groups=np.zeros(30, int),
    mean=np.array([0.0, 1.0]),
    deviation=np.array([1.0, 2.0]),
    temperature=0.5,
)


def clips(prompts=400, shift=0.0, seed=0):
    random = np.random.default_rng(seed)
    return random.standard_normal((prompts, 2)) + np.array([shift, 0.0])


def test_win_rate_is_that_of_the_logistic_law():
    base = clips()
    better = base + np.array([0.4, 0.0])  # 0.4 / 0.5 of the noise for every user
    (meeting,) = population_votes.meet(
        USERS, {"base": base, "better": better}, voters=1, seed=0
    )
    law = 1 / (1 + np.exp(-0.8))
    assert (meeting.first, meeting.second) == ("better", "base")
    assert meeting.expected == pytest.approx(law)
    assert meeting.expected_standard_error == pytest.approx(0, abs=1e-9)
    assert meeting.taste_difference == pytest.approx(0.8)
    assert meeting.wins + meeting.losses == 400
    # A binomial deviation of 0.023.
    assert meeting.win_rate == pytest.approx(law, abs=0.08)
    assert 0.5 < meeting.low < meeting.win_rate < meeting.high


def test_majorities_of_three_decide_more_often_than_single_users():
    base = clips(2000)
    better = base + np.array([0.4, 0.0])
    (meeting,) = population_votes.meet(
        USERS, {"base": base, "better": better}, voters=3, seed=0
    )
    p = 1 / (1 + np.exp(-0.8))
    assert meeting.win_rate == pytest.approx(p**3 + 3 * p**2 * (1 - p), abs=0.035)
    assert sum(meeting.user_votes) == 3 * 2000
    assert meeting.user_votes[0] / 6000 == pytest.approx(p, abs=0.02)


def test_interval_is_wilsons_over_prompts():
    traits = {"base": clips(60), "other": clips(60, 0.2, seed=1)}
    (meeting,) = population_votes.meet(USERS, traits, voters=5, seed=0)
    n, rate, z = meeting.wins + meeting.losses, meeting.win_rate, 1.959964
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    assert meeting.low == pytest.approx(middle - half, abs=1e-6)
    assert meeting.high == pytest.approx(middle + half, abs=1e-6)
    law = scipy.stats.binomtest(meeting.wins, n).pvalue
    assert meeting.p_value == pytest.approx(law)


def test_interval_holds_a_half_between_equals_as_often_as_it_says():
    held = 0
    for seed in range(200):
        traits = {"one": clips(40, seed=seed), "two": clips(40, seed=seed + 1000)}
        (meeting,) = population_votes.meet(USERS, traits, voters=5, seed=seed)
        held += meeting.low <= 0.5 <= meeting.high
    # Wilson's interval of 40 votes holds it in 95 to 98 % of cases.
    assert held >= 184


def test_every_policy_meets_those_before_it():
    traits = {name: clips(20, seed=seed) for seed, name in enumerate("abc")}
    meetings = population_votes.meet(USERS, traits, voters=1, seed=0)
    assert [(one.first, one.second) for one in meetings] == [
        ("b", "a"),
        ("c", "a"),
        ("c", "b"),
    ]


def test_users_that_cannot_tell_leave_ties_and_no_win_rate():
    users = dataclasses.replace(USERS, tie_margin=100.0)
    traits = {"one": clips(10), "two": clips(10, seed=1)}
    (meeting,) = population_votes.meet(users, traits, voters=3, seed=0)
    assert (meeting.wins, meeting.ties, meeting.losses) == (0, 10, 0)
    assert meeting.win_rate is None
    assert (meeting.low, meeting.high, meeting.p_value) == (0.0, 1.0, 1.0)


def test_taste_is_the_mean_over_clips_with_its_error():
    measured = clips(50)
    (found,) = population_votes.tastes(USERS, {"base": measured})
    taste = (measured[:, 0] + 2 * (measured[:, 1] - 1) / 2) / 0.5
    assert found.taste == pytest.approx(taste.mean())
    assert found.standard_error == pytest.approx(taste.std(ddof=1) / 50**0.5)
    assert found.traits["quality"] == pytest.approx(measured[:, 1].mean())


@pytest.mark.parametrize(
    ("traits", "voters"),
    [
        ({"one": clips(9)}, 1),
        ({"one": clips(9), "two": clips(8)}, 1),
        ({"one": clips(1), "two": clips(1)}, 1),
        ({"one": clips(9), "two": clips(9)}, 0),
        ({"one": clips(9), "two": clips(9)}, 31),
    ],
)
def test_comparisons_that_cannot_be_made_are_refused(traits, voters):
    with pytest.raises(errors.InputError):
        population_votes.meet(USERS, traits, voters=voters, seed=0)
