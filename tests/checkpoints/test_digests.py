"""Digests: the same on every mesh, another for every change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from musicrl_jax.checkpoints import digests
from musicrl_jax.core import errors, sharding


def _value(array):
    return digests.digest_tree({"x": array}).leaves["x"].value


@pytest.mark.parametrize(
    "dtype", ["float32", "bfloat16", "float16", "int32", "int16", "uint8", "bool"]
)
def test_every_single_bit_flip_changes_the_digest(dtype):
    rng = np.random.default_rng(0)
    if dtype == "bool":
        plain = rng.integers(0, 2, (3, 5)).astype(bool)
        flipped = [plain ^ (np.arange(15).reshape(3, 5) == i) for i in range(15)]
    else:
        plain = rng.integers(0, 100, (3, 5)).astype(jnp.dtype(dtype))
        flipped = []
        for bit in range(plain.nbytes * 8):
            raw = bytearray(plain.tobytes())
            raw[bit // 8] ^= 1 << (bit % 8)
            flipped.append(np.frombuffer(bytes(raw), plain.dtype).reshape(3, 5))
    values = {_value(array) for array in flipped}
    assert _value(plain) not in values
    assert len(values) == len(flipped)


def test_the_digest_is_the_same_on_every_mesh():
    array = jax.random.normal(jax.random.key(0), (8, 12))
    values = {_value(array), _value(np.asarray(array))}
    for config in (
        sharding.MeshConfig(data=4),
        sharding.MeshConfig(data=1, fsdp=2, tensor=2),
    ):
        mesh = sharding.make_mesh(config)
        for spec in (
            PartitionSpec(),
            PartitionSpec(("data", "fsdp")),
            PartitionSpec("fsdp", "tensor"),
            PartitionSpec(None, ("tensor", "data")),
        ):
            values.add(_value(jax.device_put(array, NamedSharding(mesh, spec))))
    assert len(values) == 1


def test_exchanged_elements_are_seen():
    array = np.arange(20.0, dtype=np.float32)
    other = array.copy()
    other[[3, 11]] = other[[11, 3]]
    assert _value(array) != _value(other)
    assert _value(array.reshape(4, 5)) == _value(array)
    shaped = digests.digest_tree({"x": array.reshape(4, 5)})
    assert shaped.summary != digests.digest_tree({"x": array}).summary


def test_random_keys_scalars_and_empty_leaves_have_digests():
    tree = {"key": jax.random.key(1), "count": jnp.int32(3), "none": jnp.zeros((0, 2))}
    other = tree | {"key": jax.random.key(2)}
    first, second = digests.digest_tree(tree), digests.digest_tree(other)
    assert first.differences(second) == ["key"]


def test_a_digest_survives_its_dictionary_and_names_differences():
    first = digests.digest_tree({"a": jnp.ones(2), "b": {"c": jnp.zeros(3)}})
    again = digests.TreeDigest.from_dict(first.to_dict())
    assert again == first
    assert again.summary == first.summary
    second = digests.digest_tree({"a": jnp.ones(2), "b": {"c": jnp.ones(3)}})
    assert first.differences(second) == ["b/c"]


def test_another_tree_is_an_input_error_that_names_the_leaf():
    found = digests.digest_tree({"a": jnp.ones(2)})
    found.check_tree({"a": jax.ShapeDtypeStruct((2,), jnp.bfloat16)}, "It")
    with pytest.raises(errors.InputError, match=r"It has \(2,\) at 'a'.*\(3,\)"):
        found.check_tree({"a": jax.ShapeDtypeStruct((3,), jnp.float32)}, "It")
    with pytest.raises(errors.InputError, match="no leaf"):
        found.check_tree({}, "It")
