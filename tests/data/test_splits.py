import unicodedata

import hypothesis
import pytest
from hypothesis import strategies

from musicrl_jax.data import splits


def test_the_default_holds_out_a_tenth():
    names = [f"clips/{number:05d}" for number in range(5000)]
    share = sum(splits.split_of(name) == splits.HELD_OUT for name in names) / 5000
    # Four standard deviations of 5,000 fair draws.
    assert share == pytest.approx(0.1, abs=0.017)


def test_splits_are_those_of_every_machine_and_version():
    # `printf b | sha256sum` begins with 3e23, which is 0.2427 of the way to ffff.
    assert splits.split_of("b", 0.242) == splits.TRAIN
    assert splits.split_of("b", 0.243) == splits.HELD_OUT
    assert splits.split_of("a", 0.79) == splits.TRAIN  # ca97: 0.7913
    assert splits.split_of("a", 0.80) == splits.HELD_OUT


@hypothesis.given(key=strategies.text())
def test_shares_of_nothing_and_everything(key):
    assert splits.split_of(key, 0.0) == splits.TRAIN
    assert splits.split_of(key, 1.0) == splits.HELD_OUT


@hypothesis.given(
    key=strategies.text(),
    shares=strategies.tuples(strategies.floats(0, 1), strategies.floats(0, 1)),
)
def test_a_larger_share_moves_nothing_into_training(key, shares):
    if splits.split_of(key, min(shares)) == splits.HELD_OUT:
        assert splits.split_of(key, max(shares)) == splits.HELD_OUT


def test_ways_to_write_the_same_characters_are_one():
    names = [f"café {number} é" for number in range(50)]
    for name in names:
        apart = unicodedata.normalize("NFD", name)
        assert apart != name
        assert splits.split_of(apart, 0.5) == splits.split_of(name, 0.5)
    assert len({splits.split_of(name, 0.5) for name in names}) == 2


def test_names_that_are_no_text_have_a_split():
    name = b"\xff.wav".decode("utf-8", "surrogateescape")
    assert splits.split_of(name) in {splits.TRAIN, splits.HELD_OUT}
