"""Multiplications of convolutions, against counting them one by one."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.planning import costs, hlo, lowered

CASES = [
    {"padding": "SAME"},
    {"padding": "VALID"},
    {"padding": "SAME", "window_strides": (2,)},
    {"padding": [(4, 0)], "rhs_dilation": (2,)},
    {"padding": [(2, 3)], "lhs_dilation": (3,)},
    {"padding": "SAME", "feature_group_count": 4},
    {"padding": [(-1, 2)], "window_strides": (3,)},
]
LAYOUT = ("NWC", "WIO", "NWC")
CLIPS, PLACES, FEATURES, TAPS, OUTPUTS = 2, 13, 4, 5, 8


def convolve(x, w, window_strides=(1,), **change):
    return jax.lax.conv_general_dilated(
        x, w, window_strides, dimension_numbers=LAYOUT, **change
    )


def counted(change):
    """Adds one for each product that has an element of the input in it.

    With ones in place of the numbers, an output is the number of its products.
    """
    groups = change.get("feature_group_count", 1)
    x = jnp.ones((CLIPS, PLACES, FEATURES))
    w = jnp.ones((TAPS, FEATURES // groups, OUTPUTS))
    return x, w, 2 * float(jnp.sum(convolve(x, w, **change)))


@pytest.mark.parametrize("change", CASES)
def test_only_taps_that_meet_an_element_count(change):
    x, w, wanted = counted(change)
    traced = jax.jit(lambda x, w: convolve(x, w, **change)).trace(x, w)
    assert lowered.flops(traced) == wanted


@pytest.mark.parametrize("change", CASES[:4])
def test_compiled_ones_count_alike(change):
    x, w, wanted = counted(change)
    program = jax.jit(lambda x, w: convolve(x, w, **change)).lower(x, w).compile()
    assert costs.flops(hlo.parse(program.as_text())) == wanted


def test_two_axes_of_the_same_padding_against_loops():
    frames, bands, channels = 6, 7, 3
    x, w = np.ones((1, frames, bands, 1)), np.ones((3, 5, 1, channels))
    steps = itertools.product(range(frames), range(bands), range(3), range(5))
    products = sum(
        0 <= i + k - 1 < frames and 0 <= j + m - 2 < bands for i, j, k, m in steps
    )
    traced = jax.jit(
        lambda x, w: jax.lax.conv_general_dilated(
            x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    ).trace(x, w)
    assert lowered.flops(traced) == 2 * products * channels
