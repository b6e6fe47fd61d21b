"""Level to score: a straight line in decibels, cut off at both ends."""

import numpy as np
import pytest

from musicrl_jax.core import protocols
from musicrl_jax.rewards import loudness


@pytest.mark.parametrize(
    ("amplitude", "score"), [(1.0, 1.0), (0.1, 2 / 3), (0.001, 0.0), (0.0, 0.0)]
)
def test_decibels_are_mapped_to_the_unit_interval(amplitude, score):
    square = amplitude * np.sign(np.sin(np.arange(800) + 0.5)).astype(np.float32)
    found = loudness.LoudnessReward()(["x"], square[None], np.zeros((1, 1, 1), int))
    assert found["total"].dtype == np.float32
    np.testing.assert_allclose(found["total"], [score], atol=1e-5)


def test_it_is_a_reward():
    assert isinstance(loudness.LoudnessReward(), protocols.Reward)
