"""Counts, tests and effects of made-up studies, and how often a null is rejected."""

import itertools

import made_up_studies
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation import agreement, rank_tests, statistics
from musicrl_jax.evaluation.studies import analysis, comparisons, plan, table


def analyse(design, score, **fields):
    rows = made_up_studies.rate(plan.make_tasks(design), score)
    made = table.make_table(design.models, rows)
    return analysis.analyse(made, resamples=200, **fields), made


def noisy(quality, seed=0):
    """Returns whole scores around each model's quality."""
    rng = np.random.default_rng(seed)

    def score(task, model):
        return float(np.clip(np.rint(quality[model] + rng.normal()), 1, 5))

    return score


QUALITY = {"base": 2.5, "r": 3.0, "u": 3.6}


def test_counts_and_means_are_those_of_the_rows():
    design = made_up_studies.make_design(prompts=30)
    found, made = analyse(design, noisy(QUALITY))
    assert [(x.a, x.b) for x in found.comparisons] == list(design.pairs)
    for one in found.comparisons:
        gaps = [
            (row[0] - row[1]) * (1 if made.models[first] == one.a else -1)
            for row, first, second in zip(
                made.scores, made.first, made.second, strict=True
            )
            if {made.models[first], made.models[second]} == {one.a, one.b}
        ]
        assert (one.n, one.prompts) == (90, 30)
        assert one.win == sum(gap > 0 for gap in gaps)
        assert one.tie == sum(gap == 0 for gap in gaps)
        assert one.loss == sum(gap < 0 for gap in gaps)
        assert one.difference == pytest.approx(np.mean(gaps))
        assert one.mos_a - one.mos_b == pytest.approx(one.difference)
        assert one.wilcoxon_p == rank_tests.signed_rank(np.array(gaps))
        assert one.difference_low < one.difference < one.difference_high
        assert one.cluster_low < one.win_rate < one.cluster_high
    corrected = rank_tests.holm([x.wilcoxon_prompt_p for x in found.comparisons])
    assert tuple(x.holm_p for x in found.comparisons) == corrected


def test_standings_are_those_of_the_rows():
    found, made = analyse(made_up_studies.make_design(prompts=30), noisy(QUALITY))
    for number, one in enumerate(found.models):
        scores = np.concatenate(
            [
                made.scores[made.first == number, 0],
                made.scores[made.second == number, 1],
            ]
        )
        assert one.ratings == len(scores) == 180
        assert one.mos == pytest.approx(scores.mean())
        assert one.low < one.mos < one.high
        assert one.bt_low < one.bt < one.bt_high
        assert one.wins + one.ties + one.losses == one.ratings
    wins = sum(x.win + x.loss for x in found.comparisons)
    assert sum(x.wins for x in found.models) == wins
    assert [x.name for x in found.models] == ["base", "r", "u"]
    assert found.models[0].bt < found.models[1].bt < found.models[2].bt
    assert sum(x.bt for x in found.models) == pytest.approx(0, abs=1e-9)


def test_equal_scores_decide_nothing():
    found, _ = analyse(made_up_studies.make_design(), lambda task, model: 3.0)
    for one in found.comparisons:
        assert (one.win, one.tie, one.loss) == (0, 30, 0)
        assert np.isnan(one.win_rate)
        assert (one.sign_p, one.wilcoxon_p, one.holm_p) == (1.0, 1.0, 1.0)
    # Ties are half a win of each, so the strengths are equal and known.
    assert [x.bt for x in found.models] == pytest.approx([0, 0, 0], abs=1e-9)
    assert found.side.p_value == 1.0


def test_a_model_that_always_wins_has_no_strength():
    order = {"base": 1.0, "r": 2.0, "u": 3.0}
    found, _ = analyse(made_up_studies.make_design(), lambda task, model: order[model])
    assert not found.bradley_terry.identifiable
    assert found.bradley_terry.resamples_identifiable == 0
    assert all(np.isnan(x.bt) and np.isnan(x.bt_low) for x in found.models)
    assert [x.win_rate for x in found.comparisons] == [1.0, 1.0, 1.0]


def test_a_taste_for_the_first_clip_is_found_and_taken_out():
    design = made_up_studies.make_design(prompts=60)
    plain = noisy(QUALITY)

    def biased(task, model):
        return plain(task, model) + 0.8 * (model == task.first)

    found, made = analyse(design, biased, with_advantage=True)
    assert found.side.first_wins == np.sum(made.lead > 0)
    assert found.side.p_value < 1e-3
    assert found.side.low > 0.5
    assert found.side.mean_lead == pytest.approx(made.lead.mean())
    assert found.bradley_terry.advantage_low > 0
    fair, _ = analyse(design, noisy(QUALITY), with_advantage=True)
    assert fair.side.p_value > 0.01
    assert abs(fair.bradley_terry.advantage) < found.bradley_terry.advantage_low


def test_agreement_is_of_raters_of_the_same_comparison():
    design = made_up_studies.make_design(prompts=20, raters=5)
    rng = np.random.default_rng(4)
    clip = {
        key: rng.uniform(1, 4) for key in itertools.product(design.models, range(20))
    }

    def score(task, model):
        return float(np.rint(clip[model, task.prompt] + rng.uniform(0, 1)))

    found, made = analyse(design, score)
    rows = []
    for pair, prompt in itertools.product(design.pairs, range(20)):
        one, other = (made.models.index(name) for name in pair)
        chosen = made.of_pair(one, other) & (made.prompt == prompt)
        rows += [made.score_of(one)[chosen], made.score_of(other)[chosen]]
    scores = np.stack(rows)
    assert scores.shape == (120, 3)
    assert found.alpha == pytest.approx(agreement.krippendorff_alpha(scores))
    choices = np.sign(scores[::2] - scores[1::2])
    nominal = agreement.krippendorff_alpha_nominal(choices)
    assert found.agreement.choice_nominal == pytest.approx(nominal)
    same = agreement.pairwise_agreement(choices)
    assert found.agreement.same_choice == pytest.approx(same)
    assert found.alpha > 0.5


def test_one_rater_each_has_no_agreement():
    design = made_up_studies.make_design(raters_per_comparison=1)
    found, _ = analyse(design, noisy(QUALITY))
    assert np.isnan(found.alpha)
    assert np.isnan(found.agreement.same_choice)


def test_ratings_of_some_pairs_only_are_enough():
    design = made_up_studies.make_design()
    tasks = [t for t in plan.make_tasks(design) if {t.first, t.second} == {"base", "u"}]
    rows = made_up_studies.rate(tasks[:20], noisy(QUALITY))
    found = analysis.analyse(table.make_table(design.models, rows), resamples=100)
    assert [(x.a, x.b, x.n) for x in found.comparisons] == [("u", "base", 20)]
    assert [x.name for x in found.models] == ["base", "u"]


def test_a_pair_with_one_rating_is_analysed_beside_others():
    design = made_up_studies.make_design()
    tasks = plan.make_tasks(design)
    lone = next(t for t in tasks if {t.first, t.second} == {"r", "u"})
    others = [t for t in tasks if {t.first, t.second} != {"r", "u"}]
    rows = made_up_studies.rate([lone, *others], noisy(QUALITY))
    found = analysis.analyse(table.make_table(design.models, rows), resamples=200)
    by_pair = {(x.a, x.b): x for x in found.comparisons}
    assert by_pair["u", "r"].n == 1
    assert by_pair["u", "r"].holm_p > 0.05
    assert by_pair["u", "base"].n == 30


def test_the_same_seed_gives_the_same_intervals():
    design = made_up_studies.make_design()
    one, other = (analyse(design, noisy(QUALITY))[0] for _ in range(2))
    assert one == other
    third, _ = analyse(design, noisy(QUALITY), seed=1)
    assert third.models[0].low != one.models[0].low


def test_intervals_are_as_wide_as_raters_are_apart():
    # Half of the twelve raters score 2 and half 4: a standard error of 1 / sqrt(12).
    design = made_up_studies.make_design(prompts=60, raters=12)
    found, _ = analyse(design, lambda task, model: 2.0 + 2 * (int(task.rater[-1]) % 2))
    for one in found.models:
        assert one.mos == pytest.approx(3, abs=0.1)
        assert one.high - one.low == pytest.approx(3.92 / np.sqrt(12), rel=0.25)
    # Raters who differ alike for both models leave their difference alone.
    assert all(x.difference_low == x.difference_high == 0 for x in found.comparisons)


def test_refuses_nothing():
    with pytest.raises(errors.InputError, match="got 0 and 2000"):
        analysis.analyse(table.make_table(("a", "b"), []))


def test_per_prompt_test_holds_its_level_where_the_naive_one_does_not():
    # Under a true null, three ratings of a prompt correlate by 0.4.
    rng = np.random.default_rng(5)
    studies, correlation = 1_000, 0.4
    prompts = np.repeat(np.arange(101), 3)
    shared = rng.normal(size=(studies, 101, 1)) * np.sqrt(correlation)
    own = rng.normal(size=(studies, 101, 3)) * np.sqrt(1 - correlation)
    gaps = np.rint(1.5 * (shared + own)).reshape(studies, 303)
    naive = [rank_tests.signed_rank(gap) < 0.05 for gap in gaps]
    by_prompt = [
        rank_tests.signed_rank(comparisons.prompt_means(gap, prompts)) < 0.05
        for gap in gaps
    ]
    # The variance of a sum of three is 1 + 2 * 0.4 times that of independent ones, so
    # the naive statistic exceeds 1.96 as often as a normal one 1.96 / sqrt(1.8).
    assert 0.036 < np.mean(by_prompt) < 0.064
    assert np.mean(naive) == pytest.approx(0.144, abs=0.03)


def test_a_real_gain_is_found_by_both():
    rng = np.random.default_rng(6)
    gap = np.rint(0.6 + rng.normal(size=(101, 1)) + rng.normal(size=(101, 3)))
    means = gap.mean(axis=1)
    assert rank_tests.signed_rank(means) < 1e-3
    assert statistics.compare_pairs(np.zeros(101), means).significant
