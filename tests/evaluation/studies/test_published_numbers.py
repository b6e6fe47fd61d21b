"""The paper's Figure 1 and Table 1 from ratings that have its counts.

The paper states 65.0 / 22.1 / 12.9 % for one pair, win rates for four others, and each
model's wins and mean score. `OUTCOMES` is one of the many assignments of 303 ratings a
pair that fit all of it; no rating of the paper is known.
"""

import itertools

import made_up_studies
import numpy as np
import pytest

from musicrl_jax.evaluation import prompts, proportions
from musicrl_jax.evaluation.studies import analysis, plan

LM, R, U, RU = "MusicLM", "MusicRL-R", "MusicRL-U", "MusicRL-RU"
RATINGS = 303
OUTCOMES = {
    (R, LM): (197, 67, 39),
    (U, LM): (191, 45, 67),
    (RU, LM): (181, 95, 27),
    (U, R): (102, 113, 88),
    (RU, R): (150, 76, 77),
    (RU, U): (129, 95, 79),
}
WIN_RATES = {(R, LM): 83, (U, LM): 74, (RU, LM): 87, (RU, R): 66, (RU, U): 62}
MOS = {LM: 3.07, R: 3.54, U: 3.54, RU: 3.82}
WINS = {LM: 133, R: 362, U: 372, RU: 460}


def score_sums(mos):
    """Returns the sums of 909 whole scores whose mean is printed as `mos`."""
    return [s for s in range(909, 5 * 909) if f"{s / 909:.2f}" == f"{mos:.2f}"]


@pytest.fixture(scope="module")
def study():
    texts = tuple(prompt.text for prompt in prompts.paper_prompts())
    design = plan.Design(models=(LM, R, U, RU), prompts=texts)
    assert list(OUTCOMES) == sorted(OUTCOMES, key=design.pairs.index)
    table = made_up_studies.with_outcomes(design, OUTCOMES)
    sums = [int(np.median(score_sums(MOS[model]))) for model in design.models]
    table = made_up_studies.with_mean_scores(table, sums)
    return analysis.analyse(table, resamples=500)


def test_percentages_imply_one_set_of_counts():
    found = [
        (win, tie, RATINGS - win - tie)
        for win, tie in itertools.product(range(RATINGS + 1), repeat=2)
        if win + tie <= RATINGS
        and f"{win / RATINGS:.1%}" == "65.0%"
        and f"{tie / RATINGS:.1%}" == "22.1%"
        and f"{(RATINGS - win - tie) / RATINGS:.1%}" == "12.9%"
    ]
    assert found == [OUTCOMES[R, LM]]


def test_figure_1(study):
    by_pair = {(one.a, one.b): one for one in study.comparisons}
    assert {p: (x.win, x.tie, x.loss) for p, x in by_pair.items()} == OUTCOMES
    assert {x.n for x in study.comparisons} == {RATINGS}
    assert {x.prompts for x in study.comparisons} == {101}
    rates = {pair: round(100 * by_pair[pair].win_rate) for pair in WIN_RATES}
    assert rates == WIN_RATES
    first = by_pair[R, LM]
    assert first.win_rate == pytest.approx(0.8347, abs=5e-5)
    assert (round(first.low, 3), round(first.high, 3)) == (0.782, 0.877)


def test_stated_differences_are_significant_and_the_other_need_not_be(study):
    by_pair = {(one.a, one.b): one for one in study.comparisons}
    for pair in WIN_RATES:
        assert by_pair[pair].wilcoxon_holm_p < 0.05
        assert by_pair[pair].holm_p < 0.05
        assert by_pair[pair].low > 0.5
    assert by_pair[U, R].sign_p > 0.05
    assert by_pair[U, R].low < 0.5 < by_pair[U, R].high


def test_table_1(study):
    assert {x.name: x.wins for x in study.models} == WINS
    assert {x.name: round(x.mos, 2) for x in study.models} == MOS
    assert {x.ratings for x in study.models} == {909}
    assert all(x.low < x.mos < x.high for x in study.models)
    order = sorted(study.models, key=lambda x: x.bt)
    assert (order[0].name, order[-1].name) == (LM, RU)


def test_sums_of_table_1(study):
    assert sum(x.wins for x in study.models) == sum(WINS.values()) == 1_327
    ties = sum(x.tie for x in study.comparisons)
    assert ties == 6 * RATINGS - 1_327 == 491
    assert f"{ties / (6 * RATINGS):.1%}" == "27.0%"
    lost = [x.loss for x in study.comparisons if x.b == LM]
    assert sum(lost) == WINS[LM]
    assert sum(lost[1:]) == WINS[LM] - 39 == 94


@pytest.mark.parametrize(
    ("mos", "lowest", "highest"),
    [(3.07, 2_787, 2_795), (3.54, 3_214, 3_222), (3.82, 3_468, 3_476)],
)
def test_mean_scores_allow_nine_sums(mos, lowest, highest):
    assert score_sums(mos) == list(range(lowest, highest + 1))


@pytest.mark.parametrize("agreed", [93, 94])
def test_the_teams_agreement_is_better_than_chance_on_156_pairs(agreed):
    found = proportions.share_of(agreed, 156)
    assert round(found.share, 2) == 0.60
    assert found.p_value < 0.05
    assert 0.517 < found.low < 0.526
    assert 0.669 < found.high < 0.677
