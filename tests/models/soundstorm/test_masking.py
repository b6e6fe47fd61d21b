"""What is hidden: the cosine schedule, exact shares, levels below and above."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrl_jax.models.soundstorm import masking


@given(st.integers(1, 2000), st.integers(1, 40))
def test_a_level_is_filled_once_along_a_cosine(frames, passes):
    counts = np.asarray(masking.schedule(frames, passes))
    assert counts.min() >= 0
    left = frames - np.cumsum(counts)
    angles = np.pi / 2 * np.arange(1, passes + 1) / passes
    np.testing.assert_allclose(left, frames * np.cos(angles), atol=1.0)
    assert left[-1] == 0


def test_one_pass_fills_all_and_sixteen_fill_ever_more():
    assert masking.schedule(750, 1) == (750,)
    counts = masking.schedule(750, 16)
    assert counts[0] < 10
    assert counts[-1] == math.floor(750 * math.cos(math.pi / 2 * 15 / 16))


def test_shares_of_hidden_frames_are_cosines_of_uniform_angles():
    draw = jax.jit(masking.draw_masked, static_argnums=(1, 2))
    masked = np.asarray(draw(jax.random.key(0), 2000, 200))
    counts = masked.sum(axis=1)
    assert counts.min() >= 1
    numbers = np.arange(1, 201)
    found = (counts[:, None] <= numbers).mean(axis=0)
    wanted = 1 - np.arccos(numbers / 200) / (np.pi / 2)
    # Kolmogorov-Smirnov at 0.1 %.
    assert np.abs(found - wanted).max() < 1.95 / np.sqrt(2000)
    # All places alike: each is hidden about as often as any other.
    assert np.ptp(masked.mean(axis=0)) < 0.1


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_levels_are_drawn_with_geometric_weights(decay):
    draw = jax.jit(masking.draw_levels, static_argnums=(1, 2, 3, 4))
    levels = np.asarray(draw(jax.random.key(1), 20_000, 2, 6, decay))
    wanted = decay ** np.arange(4)
    found = np.bincount(levels, minlength=6) / len(levels)
    np.testing.assert_allclose(found, [0, 0, *wanted / wanted.sum()], atol=0.015)


def test_levels_below_are_known_and_levels_above_are_not():
    masked = jnp.asarray([[True, False], [False, True]])
    known = masking.known_places(jnp.asarray([1, 2]), masked, 4)
    np.testing.assert_array_equal(
        known.astype(int),
        [[[1, 0, 0, 0], [1, 1, 0, 0]], [[1, 1, 1, 0], [1, 1, 0, 0]]],
    )
