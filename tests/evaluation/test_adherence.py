"""Own captions against shuffled ones: exact for few clips, fair where nothing fits."""

import itertools

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.evaluation import adherence


def vectors(seed, count, width=6):
    drawn = np.random.default_rng(seed).normal(size=(count, width))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_clips_that_are_their_captions_score_1_and_are_found():
    text = vectors(0, 40)
    found = adherence.own_against_shuffled(text, text, shuffles=999)
    assert found.own == pytest.approx(1.0)
    assert found.own_is_best == 1.0
    assert found.p_value == pytest.approx(1 / 1000)
    scores = text @ text.T
    off = scores[~np.eye(40, dtype=bool)].mean()
    assert found.others == pytest.approx(off)


def test_the_p_value_is_near_the_one_of_all_permutations():
    text, clips = vectors(1, 5), vectors(2, 5)
    scores = text @ clips.T
    means = [
        scores[list(order), range(5)].mean()
        for order in itertools.permutations(range(5))
    ]
    exact = np.mean(np.asarray(means) >= np.trace(scores) / 5 - 1e-12)
    found = adherence.own_against_shuffled(text, clips)
    assert found.p_value == pytest.approx(exact, abs=0.02)


def test_p_values_of_clips_without_relation_are_spread_evenly():
    values = [
        adherence.own_against_shuffled(
            vectors(2 * i, 12), vectors(2 * i + 1, 12), shuffles=99, seed=i
        ).p_value
        for i in range(200)
    ]
    assert 0.02 < np.mean(np.asarray(values) <= 0.1) < 0.2
    assert 0.4 < np.mean(values) < 0.6


def test_one_clip_cannot_be_compared():
    with pytest.raises(errors.InputError, match="two clips or more"):
        adherence.own_against_shuffled(vectors(0, 1), vectors(0, 1))
