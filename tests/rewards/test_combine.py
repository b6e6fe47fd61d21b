"""Linear combinations: exact sums, kept parts, foreign dtypes, a user's own reward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicrl_jax.core import errors
from musicrl_jax.rewards import combine


class Loudness:
    """A user's own reward: the root mean square level of the clip."""

    def __call__(self, captions, waveform, tokens):
        return {"total": np.sqrt(np.mean(np.square(waveform), axis=1))}


class Fixed:
    def __init__(self, scores, **parts):
        self.scores = {"total": scores, **parts}

    def __call__(self, captions, waveform, tokens):
        return self.scores


class Nameless:
    def __call__(self, captions, waveform, tokens):
        return {"score": np.zeros(2, np.float32)}


def call(reward, clips=2):
    audio = np.linspace(-0.5, 0.5, clips * 8, dtype=np.float32).reshape(clips, 8)
    return reward(["a"] * clips, audio, np.zeros((clips, 2, 3), np.int32))


def test_a_users_reward_joins_others():
    mos = Fixed(np.array([1.0, 5.0]), first=np.array([2, 3]))
    reward = combine.LinearReward(
        [
            combine.Part(name="loudness", reward=Loudness(), weight=2.0),
            combine.Part(name="quality", reward=mos, offset=-1.0, scale=0.25),
        ]
    )
    scores = call(reward)
    assert set(scores) == {"loudness", "quality", "quality/first", "total"}
    np.testing.assert_array_equal(scores["quality"], [1.0, 5.0])
    np.testing.assert_allclose(
        scores["total"], 2 * scores["loudness"] + [0.0, 1.0], rtol=1e-6
    )
    assert {score.dtype for score in scores.values()} == {np.dtype(np.float32)}


def test_integer_scores_do_not_truncate_the_total():
    reward = combine.LinearReward(
        [
            combine.Part(name="count", reward=Fixed(np.array([1, 2]))),
            combine.Part(name="share", reward=Fixed(np.array([0.25, 0.5]))),
        ]
    )
    np.testing.assert_array_equal(call(reward)["total"], [1.25, 2.5])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=4))
def test_total_is_linear_in_the_weights(weights):
    def total(factor):
        parts = [
            combine.Part(
                name=f"p{i}", reward=Fixed(np.array([i, 1.0])), weight=factor * weight
            )
            for i, weight in enumerate(weights)
        ]
        return call(combine.LinearReward(parts))["total"]

    np.testing.assert_allclose(total(2.0), 2 * total(1.0), rtol=1e-4, atol=1e-5)


def test_non_finite_scores_stay_visible():
    reward = combine.LinearReward(
        [combine.Part(name="x", reward=Fixed(np.array([np.nan, 1.0])), weight=0.5)]
    )
    np.testing.assert_array_equal(call(reward)["total"], [np.nan, 0.5])


def test_a_watched_score_that_is_not_finite_spoils_no_total():
    watched = combine.Part(
        name="watched", reward=Fixed(np.array([np.nan, 1.0])), weight=0.0
    )
    trained = combine.Part(name="x", reward=Fixed(np.array([2.0, 3.0])))
    scores = call(combine.LinearReward([watched, trained]))
    np.testing.assert_array_equal(scores["total"], [2.0, 3.0])
    np.testing.assert_array_equal(scores["watched"], [np.nan, 1.0])


class Bare:
    def __call__(self, captions, waveform, tokens):
        return np.zeros(2, np.float32)


@pytest.mark.parametrize(
    "bad",
    [
        Fixed(np.zeros(3)),
        Fixed(np.zeros((2, 1))),
        Fixed(1.0),
        Fixed(["high", "low"]),
        Fixed(np.zeros(2), scalar=3.0),
        Fixed(np.zeros(2), some=np.zeros(1)),
        Nameless(),
        Bare(),
    ],
)
def test_rejects_other_than_one_number_a_clip(bad):
    reward = combine.LinearReward([combine.Part(name="bad", reward=bad)])
    with pytest.raises(errors.InputError, match="'bad'"):
        call(reward)


def test_rejects_bad_parts():
    part = combine.Part(name="x", reward=Loudness())
    for parts in ([], [part, part]):
        with pytest.raises(errors.InputError, match="distinct names"):
            combine.LinearReward(parts)
    with pytest.raises(errors.InputError, match="'total'"):
        combine.Part(name="total", reward=Loudness())
    with pytest.raises(errors.InputError, match="finite"):
        combine.Part(name="x", reward=Loudness(), weight=float("nan"))
