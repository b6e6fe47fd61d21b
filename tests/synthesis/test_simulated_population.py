"""Simulated users against the closed forms of their choices."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from musicrl_jax.core import errors
from musicrl_jax.synthesis import simulated_population, simulated_users

CONFIG = simulated_population.PopulationConfig(
    traits=("rhythm", "tonality", "quality"), taste=(1.0, 0.5, -0.5), users=20, seed=3
)
ALIKE = dataclasses.replace(CONFIG, group_spread=0.0, user_spread=0.0)


def clips(pairs=500, seed=0):
    random = np.random.default_rng(seed)
    offsets, scales = np.array([5.0, 0.0, 3.0]), np.array([1.0, 0.1, 2.0])
    first, second = (
        offsets + scales * random.standard_normal((pairs, 3)) for _ in range(2)
    )
    return first, second


@pytest.mark.parametrize("config", [CONFIG, ALIKE], ids=["spread", "alike"])
@pytest.mark.parametrize("ceiling", [0.55, 0.75, 0.8])
def test_ceiling_is_what_was_asked_for(config, ceiling):
    config = dataclasses.replace(config, ceiling=ceiling)
    population = simulated_population.settle(config, *clips())
    assert population.ceilings(*clips()).population == pytest.approx(ceiling, abs=1e-5)


def test_ceiling_of_users_alike_is_an_integral_over_normal_differences():
    population = simulated_population.settle(ALIKE, *clips(8000))
    # Standardised traits of both clips: the difference of tastes has this deviation.
    deviation = np.sqrt(2 * np.sum(np.square(ALIKE.taste))) / population.temperature
    expected, _ = scipy.integrate.quad(
        lambda x: scipy.stats.norm.pdf(x, scale=deviation) / (1 + np.exp(-abs(x))),
        -20,
        20,
        points=[0.0],
    )
    found = population.ceilings(*clips(8000))
    assert found.population == pytest.approx(expected, abs=0.01)
    assert found.mean_taste == pytest.approx(found.population)
    assert found.personal == pytest.approx(found.population)


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_best_predictor_reaches_the_ceiling_on_drawn_votes(margin):
    config = dataclasses.replace(CONFIG, tie_margin=margin)
    first, second = clips(16_000)
    population = simulated_population.settle(config, first, second)
    random = np.random.default_rng(4)
    users = random.integers(config.users, size=len(first))
    votes = population.vote(first, second, users, random)
    differences = population.differences(first, second)
    many = 1 / (1 + np.exp(margin - differences)) - 1 / (
        1 + np.exp(margin + differences)
    )
    decided = votes.choices != 0
    right = np.sign(many.mean(axis=1)) == votes.choices
    # A binomial deviation of 0.0035 at 16,000 votes.
    assert right[decided].mean() == pytest.approx(0.75, abs=0.015)
    by_taste = np.sign(population.taste(first) - population.taste(second))
    ceilings = population.ceilings(first, second)
    assert (by_taste == votes.choices)[decided].mean() == pytest.approx(
        ceilings.mean_taste, abs=0.015
    )
    personal = np.sign(differences[np.arange(len(users)), users])
    assert (personal == votes.choices)[decided].mean() == pytest.approx(
        ceilings.personal, abs=0.015
    )
    assert ceilings.mean_taste <= ceilings.population < ceilings.personal


def test_choices_ties_and_confidences_follow_their_laws():
    population = simulated_population.settle(ALIKE, *clips())
    population = dataclasses.replace(population, tie_margin=0.7)
    one, other = clips(1)
    count = 40_000
    votes = population.vote(
        np.repeat(one, count, axis=0),
        np.repeat(other, count, axis=0),
        np.zeros(count, int),
        np.random.default_rng(5),
    )
    (difference,) = (population.taste(one) - population.taste(other)).tolist()
    law = scipy.stats.logistic(loc=difference)
    np.testing.assert_allclose(
        [np.mean(votes.choices == choice) for choice in (1, 0, -1)],
        [law.sf(0.7), law.cdf(0.7) - law.cdf(-0.7), law.cdf(-0.7)],
        atol=0.01,
    )
    assert ((votes.confidences >= 0) & (votes.confidences <= 1)).all()
    ties = votes.choices == 0
    assert votes.confidences[ties].max() <= np.tanh(0.35)
    assert votes.confidences[~ties].min() >= np.tanh(0.35)


def test_confident_votes_are_better_foretold():
    first, second = clips(8000)
    population = simulated_population.settle(CONFIG, first, second)
    random = np.random.default_rng(6)
    users = random.integers(CONFIG.users, size=len(first))
    votes = population.vote(first, second, users, random)
    right = np.sign(population.taste(first) - population.taste(second)) == votes.choices
    sure = votes.confidences > np.median(votes.confidences)
    assert right[sure].mean() > right[~sure].mean() + 0.1


def test_tastes_spread_as_told_around_the_mean_taste():
    config = dataclasses.replace(
        CONFIG, users=2000, groups=200, group_spread=0.4, user_spread=0.2
    )
    population = simulated_population.settle(config, *clips())
    np.testing.assert_allclose(population.weights.mean(axis=0), config.taste)
    of_group = np.stack(
        [population.weights[population.groups == g].mean(axis=0) for g in range(200)]
    )
    within = population.weights - of_group[population.groups]
    # 200 groups: the deviation has a relative error of 5 %.
    np.testing.assert_allclose(
        of_group.std(axis=0), np.hypot(0.4, 0.2 / 10**0.5), rtol=0.2
    )
    np.testing.assert_allclose(within.std(axis=0), 0.2 * 0.9**0.5, rtol=0.05)


def test_hidden_taste_is_linear_and_centred_on_the_first_clips():
    first, second = clips()
    population = simulated_population.settle(CONFIG, first, second)
    assert population.taste(np.concatenate([first, second])).mean() == pytest.approx(
        0, abs=1e-9
    )
    step = population.deviation * np.array([1.0, 0.0, 0.0])
    risen = population.taste(first + step) - population.taste(first)
    np.testing.assert_allclose(risen, 1.0 / population.temperature)


def test_file_holds_the_same_population_and_says_simulated(tmp_path):
    population = simulated_population.settle(CONFIG, *clips())
    path = tmp_path / "population.json"
    simulated_users.write_population(path, population)
    found = simulated_users.read_population(path)
    assert found.digest == population.digest
    np.testing.assert_array_equal(found.weights, population.weights)
    fields = json.loads(path.read_text())
    assert fields["simulated"] is True
    assert "seconds" not in fields
    timed = dataclasses.replace(population, seconds=12.5)
    simulated_users.write_population(path, timed)
    assert simulated_users.read_population(path).seconds == 12.5
    assert timed.digest != population.digest
    fields["temperature"] *= 2
    path.write_text(json.dumps(fields))
    with pytest.raises(errors.InputError, match="as it was written"):
        simulated_users.read_population(path)
    for text in ("{}", "[]"):
        path.write_text(text)
        with pytest.raises(errors.InputError, match="is a JSON file"):
            simulated_users.read_population(path)


def test_same_seed_same_users_another_seed_others():
    one = simulated_population.settle(CONFIG, *clips())
    assert one.digest == simulated_population.settle(CONFIG, *clips()).digest
    other = simulated_population.settle(dataclasses.replace(CONFIG, seed=4), *clips())
    assert one.digest != other.digest


def test_a_constant_trait_counts_for_nothing():
    first, second = clips()
    first[:, 2] = second[:, 2] = 3.0
    population = simulated_population.settle(CONFIG, first, second)
    assert np.isfinite(population.taste(first)).all()


def test_quarrelling_users_reach_no_high_ceiling():
    config = dataclasses.replace(CONFIG, user_spread=30.0, ceiling=0.9)
    with pytest.raises(errors.InputError, match="out of reach"):
        simulated_population.settle(config, *clips())


@pytest.mark.parametrize(
    "fields",
    [
        {"taste": (1.0,)},
        {"taste": (0.0, 0.0, 0.0)},
        {"groups": 0},
        {"groups": 21},
        {"user_spread": -0.1},
        {"ceiling": 0.5},
    ],
)
def test_impossible_populations_are_refused(fields):
    with pytest.raises(errors.InputError, match="PopulationConfig"):
        dataclasses.replace(CONFIG, **fields)
