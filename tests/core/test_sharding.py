import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from musicrl_jax.core import errors, sharding


@pytest.fixture
def mesh():
    return sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2))


def test_minus_one_takes_the_rest(mesh):
    rest = sharding.make_mesh(sharding.MeshConfig(data=-1, fsdp=2))
    sizes = {"slice": 1, "data": 2, "fsdp": 2, "tensor": 1}
    assert rest.shape == mesh.shape == sizes


@pytest.mark.parametrize(
    ("devices", "sizes"),
    [(1, (1, 1)), (8, (1, 8)), (24, (2, 12)), (256, (16, 16)), (34, (17, 2))],
)
def test_both_minus_one_make_groups_of_at_most_sixteen(devices, sizes):
    config = sharding.MeshConfig(data=-1, fsdp=-1)
    assert sharding.axis_sizes(config, devices) == (1, *sizes, 1)


def test_a_mesh_that_does_not_fit_says_so():
    with pytest.raises(errors.InputError, match="product to be the 4 devices"):
        sharding.make_mesh(sharding.MeshConfig(data=3, fsdp=1))
    with pytest.raises(errors.InputError, match="may be -1"):
        sharding.MeshConfig(data=-1, tensor=-1)


@pytest.mark.parametrize(
    ("shape", "spec"),
    [
        ((8,), PartitionSpec()),
        ((6, 4), PartitionSpec("fsdp", None)),
        ((7, 4), PartitionSpec(None, "fsdp")),
        ((7, 5), PartitionSpec()),
    ],
)
def test_parameters_split_their_largest_axis_that_divides(mesh, shape, spec):
    assert sharding.parameter_spec("bias", shape, mesh) == spec


def test_a_sharded_sum_equals_the_plain_one(mesh):
    x = jnp.arange(32.0).reshape(8, 4)
    placed = jax.device_put(x, sharding.batch_sharding(mesh))
    assert len(placed.addressable_shards[0].data) == 2
    np.testing.assert_array_equal(jax.jit(jnp.sum)(placed), x.sum())
