"""The flag: laws of monotone curves, a built turn, the share of false alarms."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from musicrl_jax.evaluation import over_optimisation

PROMPTS = 16
RISING = st.lists(st.floats(0, 1), min_size=2, max_size=9).map(sorted)


def table(curve, noise=0.0, seed=0):
    """Returns scores whose means are `curve`, with prompts that differ for good."""
    rng = np.random.default_rng(seed)
    prompts = rng.normal(size=PROMPTS)
    moved = noise * rng.normal(size=(len(curve), PROMPTS))
    return np.asarray(curve)[:, None] + prompts + moved


def find(trained, held_out, **options):
    steps = [10 * number for number in range(len(trained))]
    return over_optimisation.find(steps, trained, {"quality": held_out}, **options)


@given(
    RISING, st.integers(1, 3), arrays.arrays(float, PROMPTS, elements=st.floats(-9, 9))
)
def test_a_held_out_reward_that_never_falls_is_never_flagged(curve, width, prompts):
    held_out = np.asarray(curve)[:, None] + prompts
    trained = np.linspace(0, 5, len(curve))[:, None] + prompts
    assert find(trained, held_out, smoothing=width) is None


@given(RISING, st.integers(1, 3))
def test_a_fall_of_both_is_no_over_optimisation(curve, width):
    falling = np.asarray(curve)[::-1, None] + np.arange(PROMPTS)
    assert find(falling, falling, smoothing=width) is None


@pytest.mark.parametrize(("width", "peak", "seen"), [(1, 40, 50), (2, 40, 60)])
def test_a_built_turn_is_flagged_where_it_is(width, peak, seen):
    """Up to row 4, then down by far more than the noise.

    Smoothed over two, rows 3 and 4 are best, and the first later pair is rows 5 and 6.
    """
    hump = [0.0, 1.0, 2.0, 3.0, 4.0, 2.0, 1.0, 0.0]
    flag = find(table(range(8)), table(hump, noise=0.01), smoothing=width)
    assert flag is not None
    assert (flag.step, flag.seen_at, flag.name) == (peak, seen, "quality")
    assert flag.fall < 0 < flag.rise
    assert f"from step {peak} to {seen}" in flag.words


def test_the_turn_that_is_seen_first_counts():
    held_out = {
        "late": table([0, 1, 2, 3, 1, 0], noise=0.01),
        "early": table([0, 1, 0, 0, 0, 0], noise=0.01),
        "never": table([0, 1, 2, 3, 4, 5], noise=0.01),
    }
    flag = over_optimisation.find(range(6), table(range(6)), held_out, smoothing=1)
    assert flag is not None
    assert (flag.name, flag.step, flag.seen_at) == ("early", 1, 2)


@pytest.mark.parametrize("width", [1, 2])
def test_noise_is_flagged_as_rarely_as_stated(width):
    """Binomial bound: 200 runs of a flat reward, each with 20 measurements."""
    runs = 200
    flagged = sum(
        find(
            table(np.linspace(0, 9, 20), seed=seed),
            table(np.zeros(20), noise=1.0, seed=seed),
            smoothing=width,
        )
        is not None
        for seed in range(runs)
    )
    most = scipy.stats.binom.isf(0.01, runs, over_optimisation.FALSE_ALARMS)
    assert flagged <= most


def test_a_real_fall_is_found_among_noise():
    """The mean falls by 3 standard deviations of a prompt's noise over 10 rows."""
    curve = np.r_[np.zeros(5), -np.linspace(0, 3, 10)]
    found = [
        find(table(range(15), seed=seed), table(curve, noise=1.0, seed=seed))
        for seed in range(20)
    ]
    assert all(flag is not None and flag.seen_at > 50 for flag in found)


def test_levels_of_all_looks_add_up_to_the_stated_share():
    prompts = 30
    spent = sum(
        looks
        * scipy.stats.t.sf(over_optimisation.threshold(looks, prompts), prompts - 1)
        for looks in range(1, 2_000)
    )
    assert spent == pytest.approx(over_optimisation.FALSE_ALARMS, rel=1e-3)


def test_one_prompt_has_no_standard_error_and_no_flag():
    scores = np.arange(6.0)[:, None]
    assert find(scores, -scores, smoothing=1) is None
