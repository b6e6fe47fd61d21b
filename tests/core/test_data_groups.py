"""Groups that work alone and then agree find the gradient of all clips."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import data_groups, sharding

WIDTH = 8


def gradient_of(kernel, clips):
    """Returns the gradient of the mean over clips of |x w|^2, and each clip's term."""

    def loss(kernel):
        whole = sharding.gathered(kernel, "width", None)
        each = jnp.sum((clips @ whole) ** 2, axis=-1)
        return jnp.mean(each), each

    gradient, each = jax.grad(loss, has_aux=True)(kernel)
    return gradient, each


def inputs():
    keys = jax.random.split(jax.random.key(0))
    return (
        jax.random.normal(keys[0], (WIDTH, 4)),
        jax.random.normal(keys[1], (8, WIDTH)),
    )


def on_mesh(mesh):
    kernel, clips = inputs()
    lay = functools.partial(jax.sharding.NamedSharding, mesh)
    return (
        jax.device_put(kernel, lay(jax.sharding.PartitionSpec("fsdp"))),
        jax.device_put(clips, sharding.batch_sharding(mesh)),
    )


def grouped(mesh):
    def run(kernel, clips):
        with sharding.on(mesh):
            return data_groups.mean(gradient_of, mesh)(kernel, clips)

    return jax.jit(run)


@pytest.mark.parametrize("axes", [(4, 1, 1), (2, 2, 1), (1, 4, 1), (1, 2, 2)], ids=str)
def test_groups_agree_with_one_device(axes):
    data, fsdp, slices = axes
    config = sharding.MeshConfig(data=data, fsdp=fsdp, slices=slices)
    mesh = sharding.make_mesh(config)
    gradient, each = grouped(mesh)(*on_mesh(mesh))
    wanted, wanted_each = gradient_of(*inputs())
    np.testing.assert_allclose(gradient, wanted, rtol=1e-5)
    np.testing.assert_allclose(each, wanted_each, rtol=1e-5)


def test_groups_exchange_only_the_parts_that_their_devices_hold():
    mesh = sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2))
    text = grouped(mesh).lower(*on_mesh(mesh)).compile().as_text()
    # Between groups [[0, 2], [1, 3]]: half of the gradient, as fsdp is 2.
    between = re.findall(r"f32\[(\d+),4\]\S* all-reduce\(.*\[2,2\]<=\[2,2\]T", text)
    between += re.findall(r"f32\[(\d+),4\]\S* all-reduce\(.*\{\{0,2\},\{1,3\}\}", text)
    assert between == [str(WIDTH // 2)]
