"""Sharded weights: what lies where, and that every tensor comes back."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from musicrl_jax.core import errors
from musicrl_jax.export import serve, shards

PARAMS = {
    "block": [{"kernel": jnp.arange(8.0).reshape(2, 4)}, {"kernel": jnp.ones((5, 4))}],
    "head": jnp.asarray([1, 2, 3], jnp.int32),
    "half": jnp.asarray([0.5, -2.0], jnp.bfloat16),
}
SHAPES = jax.eval_shape(lambda: PARAMS)


def test_files_keep_to_their_size_and_the_index_finds_every_tensor(tmp_path):
    assert shards.write(tmp_path, PARAMS, 48) == 32 + 80 + 12 + 4
    index = json.loads((tmp_path / shards.INDEX).read_text())
    assert index["metadata"]["total_size"] == 128
    held = {}
    for file in sorted(set(index["weight_map"].values())):
        assert file.endswith("-of-00003.safetensors")
        tensors = safetensors.numpy.load_file(tmp_path / file)
        held |= dict.fromkeys(tensors, file)
        total = sum(tensor.nbytes for tensor in tensors.values())
        assert total <= 48 or len(tensors) == 1
    assert held == index["weight_map"]
    assert set(held) == {"block/0/kernel", "block/1/kernel", "head", "half"}


@pytest.mark.parametrize("most", [1, 10**9])
def test_what_was_written_comes_back_bit_for_bit(tmp_path, most):
    shards.write(tmp_path, PARAMS, most)
    back = shards.read(tmp_path, SHAPES)
    jax.tree.map(np.testing.assert_array_equal, back, PARAMS)
    assert jax.tree.map(lambda x: x.dtype, back) == jax.tree.map(
        lambda x: x.dtype, PARAMS
    )
    served = serve.read_shards(tmp_path)
    np.testing.assert_array_equal(
        served["block/1/kernel"], PARAMS["block"][1]["kernel"]
    )
    np.testing.assert_array_equal(served["half"], PARAMS["half"])


def test_other_leaves_and_lost_files_are_refused(tmp_path):
    shards.write(tmp_path, PARAMS, 48)
    with pytest.raises(errors.InputError, match="other names or shapes"):
        shards.read(tmp_path, {"head": SHAPES["head"]})
    next(tmp_path.glob("*-00002-*")).unlink()
    with pytest.raises(errors.InputError, match="reading them failed"):
        shards.read(tmp_path, SHAPES)
