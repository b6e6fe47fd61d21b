"""The conformer: what it sees, its residual start, scanned and recomputed alike."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.nn import conformer

SIZES = conformer.ConformerConfig(width=8, heads=2, layers=2, kernel=3)


def sequence(frames=9, width=8):
    values = np.random.default_rng(1).normal(size=(2, frames, width))
    return jnp.asarray(values, jnp.float32)


def stack(config=SIZES):
    module = conformer.ConformerStack(config)
    return module, module.init(jax.random.key(0), sequence())


def test_attention_sees_all_or_as_far_as_its_reach():
    x = sequence()
    one = dataclasses.replace(SIZES, layers=1)
    module, params = stack(one)
    moved = x.at[:, 0, 0].add(1.0)
    everywhere = jnp.abs(module.apply(params, moved) - module.apply(params, x))
    assert jnp.all(everywhere.max((0, 2)) > 1e-5)
    # Two places by attention, one more by the convolution behind it.
    module = conformer.ConformerStack(dataclasses.replace(one, reach=2))
    near = jnp.abs(module.apply(params, moved) - module.apply(params, x))
    np.testing.assert_array_equal(np.flatnonzero(near.max((0, 2)) > 1e-6), range(4))


def test_rows_of_a_batch_do_not_see_one_another():
    x = sequence()
    module, params = stack()
    together, apart = module.apply(params, x), module.apply(params, x[:1])
    np.testing.assert_allclose(together[:1], apart, atol=1e-5)


def test_reversed_time_is_told_apart():
    x = sequence()
    module, params = stack()
    backward = module.apply(params, x[:, ::-1])[:, ::-1]
    assert jnp.abs(backward - module.apply(params, x)).max() > 1e-3


@pytest.mark.parametrize("change", [{"scan": True}, {"remat": True}])
def test_a_compiled_loop_and_recomputation_change_nothing(change):
    x = sequence()
    module, params = stack()
    other = conformer.ConformerStack(dataclasses.replace(SIZES, **change))

    def loss(params, module):
        return jnp.sum(jnp.square(module.apply(params, x)))

    wanted = jax.value_and_grad(loss)(params, module)
    got = jax.value_and_grad(loss)(params, other)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), wanted, got
    )


def test_bfloat16_stays_bfloat16():
    config = dataclasses.replace(SIZES, dtype="bfloat16")
    module, params = stack(config)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params))
    assert module.apply(params, sequence().astype(jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("kernel", ["xla", "cudnn", "splash"])
def test_a_kernel_that_would_not_run_is_refused(kernel):
    assert dataclasses.replace(SIZES, attention=kernel).attention == kernel
    with pytest.raises(errors.InputError, match=f"'{kernel}' and a reach of 2"):
        dataclasses.replace(SIZES, attention=kernel, reach=2)


@pytest.mark.parametrize("change", [{"kernel": 4}, {"heads": 3}, {"layers": 0}])
def test_impossible_sizes_are_refused(change):
    with pytest.raises(errors.InputError, match="must"):
        dataclasses.replace(SIZES, **change)
