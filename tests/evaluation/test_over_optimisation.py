"""The flag: laws of monotone curves, a built turn, the share of false alarms."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from musicrl_jax.evaluation import over_optimisation, sign_flips

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


def course(rng, curve, prompts=32):
    """Returns scores as a run has them: fresh noise, and prompts that drift apart."""
    fresh = 0.09 * rng.normal(size=(len(curve), prompts))
    drift = np.cumsum(0.035 * rng.normal(size=(len(curve), prompts)), axis=0)
    return np.asarray(curve)[:, None] + rng.normal(size=prompts) + fresh + drift


def flagged(curve, runs, monkeypatch, width=2, skewed=False):
    """Returns how many runs are flagged whose one reward of two goes as `curve`."""
    monkeypatch.setattr(sign_flips, "RESAMPLES", 1000)
    rng, count = np.random.default_rng(0), 0
    for _ in range(runs):
        held_out = {"a": course(rng, curve), "b": course(rng, 0 * curve)}
        if skewed:
            shape = (len(curve), 32)
            held_out["a"] += 0.2 * rng.exponential(size=shape)
        trained = course(rng, np.linspace(0, 9, len(curve)))
        flag = over_optimisation.find(
            range(len(curve)), trained, held_out, smoothing=width
        )
        count += flag is not None
    return count


def simulated_falls(scores):
    """Returns t against the first stretch and the best so far; scores [runs, s, p]."""
    means, looks = scores.mean(axis=2), range(2, scores.shape[1])
    found = []
    for now in looks:
        best = means[:, : now - 1].argmax(axis=1)
        rows = [scores[:, 0], scores[np.arange(len(scores)), best]]
        changes = [row - scores[:, now] for row in rows]
        found.append([x.mean(axis=1) / scipy.stats.sem(x, axis=1) for x in changes])
    return np.moveaxis(np.asarray(found), 0, -1)


def test_chance_exceeds_the_limits_as_rarely_as_stated_in_thousands_of_runs():
    """4,000 runs of eleven measurements, drawn at once; limits are of one of them."""
    rng, runs, rows, prompts = np.random.default_rng(3), 4_000, 11, 32
    fresh = 0.09 * rng.normal(size=(runs, rows, prompts))
    drift = np.cumsum(0.035 * rng.normal(size=(runs, rows, prompts)), axis=1)
    scores = fresh + drift
    scores = (scores[:, 1:] + scores[:, :-1]) / 2
    levels = (
        0.8 * over_optimisation.FALSE_ALARMS,
        0.2 * over_optimisation.FALSE_ALARMS,
    )
    references = (sign_flips.start, sign_flips.best)
    exceeded = np.zeros(runs, bool)
    for one, level, falls in zip(
        references, levels, simulated_falls(scores), strict=True
    ):
        limits = sign_flips.limits([scores[0]], 2, one, level)
        exceeded |= (falls > limits).any(axis=1)
    most = over_optimisation.FALSE_ALARMS * sign_flips.spent(rows - 3)
    assert 0.3 * most < exceeded.mean() < most + 3 * np.sqrt(most / runs)


@pytest.mark.parametrize(
    ("curve", "skewed"),
    [(np.zeros(11), True), (np.minimum(0.02 * np.arange(11), 0.1), False)],
)
def test_runs_that_never_fall_are_flagged_as_rarely_as_stated(
    curve, skewed, monkeypatch
):
    """Binomial bound; two rewards, of skewed noise or with a curve that levels off."""
    runs = 300
    most = scipy.stats.binom.isf(0.01, runs, over_optimisation.FALSE_ALARMS)
    assert flagged(curve, runs, monkeypatch, skewed=skewed) <= most


def test_long_runs_are_flagged_no_more_often(monkeypatch):
    runs = 100
    most = scipy.stats.binom.isf(0.01, runs, over_optimisation.FALSE_ALARMS)
    assert flagged(np.zeros(25), runs, monkeypatch, width=1) <= most


@pytest.mark.parametrize(
    ("curve", "least"),
    [
        (-0.108 * np.linspace(0, 1, 11), 0.8),
        (0.09 * np.r_[0, 0.3, 0.6, 0.8, 1, 1, 0.7, 0.4, 0.1, 0, -0.2], 0.65),
    ],
)
def test_falls_of_three_standard_errors_are_mostly_found(curve, least, monkeypatch):
    """Dividing the level by all pairs of looks finds 62 % of the first ones."""
    assert flagged(curve, 100, monkeypatch) > 100 * least


def test_a_real_fall_is_found_among_noise():
    """The mean falls by 3 standard deviations of a prompt's noise over 10 rows."""
    curve = np.r_[np.zeros(5), -np.linspace(0, 3, 10)]
    found = [
        find(table(range(15), seed=seed), table(curve, noise=1.0, seed=seed))
        for seed in range(8)
    ]
    assert all(flag is not None and flag.seen_at > 50 for flag in found)


def test_a_reward_without_scores_hides_no_fall_of_another():
    hump = table([0.0, 1.0, 2.0, 3.0, 4.0, 2.0, 1.0, 0.0], noise=0.01)
    alone = find(table(range(8)), hump, smoothing=1)
    assert alone is not None
    for kept in (0, 2, PROMPTS // 2 - 1):
        broken = np.where(np.arange(PROMPTS) < kept, table(range(8)), np.nan)
        flag = over_optimisation.find(
            [10 * number for number in range(8)],
            table(range(8)),
            {"quality": hump, "broken": broken},
            smoothing=1,
        )
        assert flag == alone


def test_each_reward_is_judged_by_its_own_prompts():
    hump, rising = table([0, 1, 2, 1, 0, -1.0], noise=0.01), table(range(6))
    one, other = hump.copy(), rising.copy()
    one[2, :6], other[3, 6:12] = np.nan, np.inf
    flag = over_optimisation.find(
        range(6), rising, {"quality": one, "adherence": other}, smoothing=1
    )
    # Quality has ten prompts, and but four of them have both rewards.
    assert flag is not None
    assert (flag.name, flag.step) == ("quality", 2)
    change = (hump[flag.seen_at] - hump[flag.step])[6:]
    assert flag.fall == pytest.approx(change.mean())
    assert flag.fall_standard_errors == pytest.approx(
        change.mean() / scipy.stats.sem(change)
    )


def test_runs_with_gaps_are_flagged_as_rarely_as_stated(monkeypatch):
    """Binomial bound; two rewards that share 16 of 32 prompts, a third without any."""
    monkeypatch.setattr(sign_flips, "RESAMPLES", 1000)
    rng, runs, count, prompts = np.random.default_rng(5), 200, 0, np.arange(32)
    for _ in range(runs):
        flat = np.zeros(9)
        one, other, none = (course(rng, flat) for _ in range(3))
        one[4, prompts < 8], other[7, prompts >= 24], none[:] = np.nan, np.nan, np.nan
        held_out = {"one": one, "other": other, "none": none}
        trained = course(rng, np.linspace(0, 9, 9))
        count += over_optimisation.find(range(9), trained, held_out) is not None
    assert count <= scipy.stats.binom.isf(0.01, runs, over_optimisation.FALSE_ALARMS)


def test_prompts_are_left_out_where_the_trained_reward_has_no_score():
    hump, rising = table([0, 1, 2, 1, 0, -1.0], noise=0.01), table(range(6))
    trained = rising.copy()
    trained[1, :3] = np.nan
    found = over_optimisation.usable_prompts(trained, {"quality": hump})
    assert found["quality"].tolist() == [False] * 3 + [True] * (PROMPTS - 3)
    flag = find(trained, hump, smoothing=1)
    assert flag == find(rising[:, 3:], hump[:, 3:], smoothing=1)
    assert flag is not None
    assert find(np.nan * trained, hump, smoothing=1) is None


def test_one_prompt_has_no_standard_error_and_no_flag():
    scores = np.arange(6.0)[:, None]
    assert find(scores, -scores, smoothing=1) is None


def test_a_flag_stays_as_it_was_when_more_is_measured():
    curve = np.r_[np.zeros(4), -np.ones(6)]
    held_out, trained = table(curve, noise=0.3), table(range(10))
    whole = find(trained, held_out)
    assert whole is not None
    rows = whole.seen_at // 10 + 1
    assert rows < len(curve)
    assert find(trained[:rows], held_out[:rows]) == whole
    assert find(trained[: rows - 1], held_out[: rows - 1]) is None
