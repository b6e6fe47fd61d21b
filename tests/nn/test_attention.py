"""Attention in blocks is attention under a mask."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.nn import attention


def heads(length):
    keys = jax.random.split(jax.random.key(length), 3)
    return [jax.random.normal(key, (2, 3, length, 4)) for key in keys]


@pytest.mark.parametrize(
    ("length", "reach"), [(1, 1), (6, 1), (14, 2), (40, 8), (60, 7), (61, 11)]
)
def test_blocks_see_what_the_mask_shows(length, reach):
    parts = heads(length)
    wanted = attention.attend(*parts, attention.near_mask(length, reach))
    found = attention.attend_near(*parts, reach)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_what_is_far_is_never_scored():
    asked = jax.make_jaxpr(lambda *x: attention.attend_near(*x, 8))(*heads(400))
    sizes = [v.aval.size for eqn in asked.eqns for v in eqn.outvars]
    # Two clips of three heads score 400 places with 5 blocks of 4 each.
    assert max(sizes) == 2 * 3 * 400 * 5 * 4


def test_gradients_are_those_of_the_mask():
    parts = heads(40)

    def loss(attend):
        return lambda *x: jnp.sum(jnp.sin(attend(*x)))

    wanted = jax.grad(
        loss(lambda *x: attention.attend(*x, attention.near_mask(40, 4))), (0, 1, 2)
    )(*parts)
    found = jax.grad(loss(lambda *x: attention.attend_near(*x, 4)), (0, 1, 2))(*parts)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
