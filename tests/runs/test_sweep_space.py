"""Grids, draws and names of a sweep's trials."""

import math

import hypothesis
import pytest
from hypothesis import strategies
from scipy import stats

from musicrl_jax.core import errors
from musicrl_jax.runs import sweep_space


def variations(*texts):
    return [sweep_space.parse(text) for text in texts]


def test_a_grid_has_every_combination_once():
    found = sweep_space.grid(variations("A.x=1,2", "B.y='a','b','c'"))
    assert found[:2] == [(("A.x", "1"), ("B.y", "'a'")), (("A.x", "1"), ("B.y", "'b'"))]
    assert len(found) == len(set(found)) == 6


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2", ["1", "2"]),
        (" 0.1 , 1e-5 ", ["0.1", "1e-5"]),
        ("(1, 2),(3,)", ["(1, 2)", "(3,)"]),
        ("'a,b',\"c,d\"", ["'a,b'", '"c,d"']),
        ("'(',')'", ["'('", "')'"]),
        ("{'a': [1, 2]},@f()", ["{'a': [1, 2]}", "@f()"]),
    ],
)
def test_values_are_split_where_gin_would(text, parts):
    assert sweep_space.split_values(text) == parts


def test_a_longer_draw_begins_with_the_shorter_one():
    space = variations("A.x=log:1e-5:1e-3", "A.y=1,2,3")
    assert sweep_space.draw(space, 20, 3)[:7] == sweep_space.draw(space, 7, 3)
    assert sweep_space.draw(space, 7, 4) != sweep_space.draw(space, 7, 3)


def test_a_new_binding_changes_no_other():
    one = sweep_space.draw(variations("A.x=log:1e-5:1e-3"), 9, 0)
    two = sweep_space.draw(variations("B.z=uniform:0:1", "A.x=log:1e-5:1e-3"), 9, 0)
    assert [trial[0] for trial in one] == [trial[1] for trial in two]


def test_draws_of_few_values_do_not_repeat():
    found = sweep_space.draw(variations("A.x=1,2,3", "A.y=1,2"), 6, 0)
    assert len(set(found)) == 6
    with pytest.raises(errors.InputError, match="6 were found"):
        sweep_space.draw(variations("A.x=1,2,3", "A.y=1,2"), 7, 0)


@pytest.mark.parametrize(
    ("text", "low", "high", "scale"),
    [("log:1e-5:1e-3", 1e-5, 1e-3, math.log), ("uniform:-2:3", -2, 3, float)],
)
def test_ranges_are_drawn_evenly_on_their_scale(text, low, high, scale):
    drawn = sweep_space.draw(variations(f"A.x={text}"), 500, 1)
    values = [scale(float(value)) for ((_, value),) in drawn]
    width = scale(high) - scale(low)
    assert stats.kstest(values, stats.uniform(scale(low), width).cdf).pvalue > 0.01


def test_whole_numbers_reach_both_ends():
    drawn = sweep_space.draw(variations("A.x=int:2:5"), 4, 0)
    assert sorted(value for ((_, value),) in drawn) == ["2", "3", "4", "5"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "A.x", "A.x=", "=1", "A=1", "A.x=1,", "A.x=1,1", "A x.y=1", "A.=1"),
        *("A.x=log:1", "A.x=log:0:1", "A.x=log:2:1", "A.x=log:a:b", "A.x=int:1:2.5"),
        *("A.x=uniform:0:inf", "A.x=uniform:0:nan", "A.x=uniform:1:1"),
        *("A.x=log:1:2:3", "A.x=log"),
    ],
)
def test_refuses_what_it_cannot_read(text):
    with pytest.raises(errors.InputError, match="got"):
        sweep_space.parse(text)


def test_refuses_ranges_in_a_grid_and_grids_without_end():
    with pytest.raises(errors.InputError, match="--random"):
        sweep_space.grid(variations("A.x=1,2", "A.y=log:1:2"))
    many = ",".join(map(str, range(101)))
    with pytest.raises(errors.InputError, match="10201"):
        sweep_space.grid(variations(f"A.x={many}", f"A.y={many}"))


def test_refuses_nothing_and_one_binding_twice():
    with pytest.raises(errors.InputError, match="got none"):
        sweep_space.check_distinct([])
    with pytest.raises(errors.InputError, match=r"A\.x twice"):
        sweep_space.check_distinct(variations("A.x=1", "A.x=2"))


def test_names_say_what_was_set():
    name = sweep_space.trial_name((("L.kl_weight", "0.01"), ("L.baseline", "'value'")))
    assert name.startswith("kl_weight-0.01_baseline-value-")
    name = sweep_space.trial_name((("A.steps", "1"), ("B.steps", "2")))
    assert name.startswith("A.steps-1_B.steps-2-")


VALUES = strategies.text(alphabet="aZ09 _-./=,'\"(){}@é\n", max_size=120)


@hypothesis.given(strategies.lists(VALUES, min_size=2, max_size=6, unique=True))
def test_names_are_safe_short_and_different(values):
    names = [sweep_space.trial_name((("A.x", value),)) for value in values]
    assert len(set(names)) == len(names)
    for name in names:
        assert len(name) <= sweep_space.MAX_NAME + 9
        assert set(name) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
        )
        assert name[0] not in ".-"
