"""Strengths against closed forms, another algorithm, and cases without an answer."""

import itertools
import math

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation import bradley_terry


def all_pairs(players):
    sides = np.array(list(itertools.permutations(range(players), 2))).T
    return bradley_terry.Games(first=sides[0], second=sides[1], players=players)


def by_minorisation(wins, rounds=5_000):
    """Returns log strengths of a matrix of wins (Hunter, 2004)."""
    strength = np.ones(len(wins))
    met = wins + wins.T
    for _ in range(rounds):
        shared = met / (strength[:, None] + strength[None, :])
        strength = wins.sum(axis=1) / shared.sum(axis=1)
    logs = np.log(strength)
    return logs - logs.mean()


def test_two_players_have_half_the_log_odds_each():
    games = bradley_terry.Games(first=np.array([0]), second=np.array([1]), players=2)
    wins, losses = np.array([[30.0], [5.0]]), np.array([[10.0], [5.0]])
    found = bradley_terry.fit(games, wins, losses)
    assert found.strength[0] == pytest.approx([math.log(3) / 2, -math.log(3) / 2])
    assert found.strength[1] == pytest.approx([0, 0], abs=1e-9)
    assert found.identifiable.all()


def test_agrees_with_another_algorithm_on_each_weighting():
    games = all_pairs(5)
    rng = np.random.default_rng(0)
    first, second = rng.integers(1, 30, (2, 7, len(games.first))).astype(float)
    found = bradley_terry.fit(games, first, second)
    for row in range(7):
        wins = np.zeros((5, 5))
        np.add.at(wins, (games.first, games.second), first[row])
        np.add.at(wins, (games.second, games.first), second[row])
        assert found.strength[row] == pytest.approx(by_minorisation(wins), abs=1e-6)


def test_advantage_of_the_first_place_in_closed_form():
    # Log-odds of the first: strength gap 1 plus 0.5, and -1 plus 0.5.
    games = bradley_terry.Games(
        first=np.array([0, 1]), second=np.array([1, 0]), players=2
    )
    chance = 1 / (1 + np.exp(-np.array([[1.5, -0.5]])))
    found = bradley_terry.fit(
        games, 100 * chance, 100 - 100 * chance, with_advantage=True
    )
    assert found.strength[0] == pytest.approx([0.5, -0.5], abs=1e-6)
    assert found.advantage[0] == pytest.approx(0.5, abs=1e-6)
    without = bradley_terry.fit(games, 100 * chance, 100 - 100 * chance)
    assert without.advantage[0] == 0


def test_recovers_strengths_that_wins_were_drawn_from():
    games = all_pairs(4)
    true = np.array([-0.6, 0.1, 0.0, 0.5])
    rng = np.random.default_rng(1)
    chance = 1 / (1 + np.exp(true[games.second] - true[games.first]))
    wins = rng.binomial(5_000, chance)[None].astype(float)
    found = bradley_terry.fit(games, wins, 5_000 - wins)
    assert found.strength[0] == pytest.approx(true, abs=0.04)


def test_one_sided_wins_do_not_identify_strengths():
    games = all_pairs(3)
    wins, losses = np.full((3, 6), 4.0), np.full((3, 6), 3.0)
    # Player 2 beats everyone in the second weighting, meets no one in the third.
    involved = (games.first == 2) | (games.second == 2)
    wins[1] = np.where(games.second == 2, 0.0, wins[1])
    losses[1] = np.where(games.first == 2, 0.0, losses[1])
    wins[2, involved] = losses[2, involved] = 0.0
    found = bradley_terry.fit(games, wins, losses)
    assert found.identifiable.tolist() == [True, False, False]
    assert np.isfinite(found.strength[0]).all()
    assert np.isnan(found.strength[1:]).all()
    # Half a win in a tie is enough.
    wins[1] = np.where(games.second == 2, 0.5, wins[1])
    assert bradley_terry.fit(games, wins, losses).identifiable.tolist()[1]


def test_an_advantage_that_explains_all_is_not_identifiable():
    # The first place always wins, whoever has it.
    games = bradley_terry.Games(
        first=np.array([0, 1]), second=np.array([1, 0]), players=2
    )
    wins, losses = np.array([[9.0, 9.0]]), np.zeros((1, 2))
    assert bradley_terry.fit(games, wins, losses).identifiable[0]
    found = bradley_terry.fit(games, wins, losses, with_advantage=True)
    assert not found.identifiable[0]


def test_an_advantage_needs_players_that_change_sides():
    # With two players, and the same one always first, it is strength by another name.
    games = bradley_terry.Games(first=np.array([0]), second=np.array([1]), players=2)
    wins, losses = np.array([[6.0]]), np.array([[3.0]])
    assert bradley_terry.fit(games, wins, losses).identifiable[0]
    found = bradley_terry.fit(games, wins, losses, with_advantage=True)
    assert not found.identifiable[0]
    assert np.isnan(found.strength).all()
    assert np.isnan(found.advantage).all()
    # A weighting counts that leaves out the other side, and only that one.
    games = bradley_terry.Games(
        first=np.array([0, 1]), second=np.array([1, 0]), players=2
    )
    wins, losses = np.array([[6.0, 2.0], [6.0, 0.0]]), np.array([[3.0, 2.0], [3.0, 0]])
    found = bradley_terry.fit(games, wins, losses, with_advantage=True)
    assert found.identifiable.tolist() == [True, False]


def test_a_ring_of_players_tells_an_advantage_from_strength():
    # Nobody changes sides; round the ring strengths cancel and advantages add up.
    games = bradley_terry.Games(
        first=np.array([0, 1, 2]), second=np.array([1, 2, 0]), players=3
    )
    gaps = np.array([0.7, -0.2, -0.5])
    wins = 50 / (1 + np.exp(-(gaps + 0.4)))[None]
    found = bradley_terry.fit(games, wins, 50 - wins, with_advantage=True)
    assert found.identifiable[0]
    assert found.advantage[0] == pytest.approx(0.4, abs=1e-6)
    # A tree, where no way leads round, does not.
    wins[0, 2] = 0.0
    assert not bradley_terry.fit(
        games, wins, np.array([[9.0, 9.0, 0.0]]), with_advantage=True
    ).identifiable[0]


def test_refuses_a_player_against_itself():
    with pytest.raises(errors.InputError, match="different"):
        bradley_terry.Games(first=np.array([0]), second=np.array([0]), players=2)
