"""The depthwise convolution against numpy; frames merged and split; block at start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.nn import convolution


def signal(frames=11, width=3):
    return np.random.default_rng(0).normal(size=(2, frames, width)).astype(np.float32)


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_depthwise_equals_numpy_correlation_of_each_feature(kernel):
    layer = convolution.DepthwiseConv(width=3, kernel=kernel)
    x = signal()
    params = layer.init(jax.random.key(0), jnp.asarray(x))
    params["params"]["bias"] = jnp.asarray([1.0, -2.0, 0.5])
    got = layer.apply(params, jnp.asarray(x))
    weight = np.asarray(params["params"]["kernel"])
    for clip in range(2):
        for feature, bias in enumerate((1.0, -2.0, 0.5)):
            wanted = np.correlate(x[clip, :, feature], weight[:, feature], "same")
            np.testing.assert_allclose(got[clip, :, feature], wanted + bias, atol=1e-5)


def test_block_moves_its_input_little_and_sees_its_kernel_only():
    config = convolution.ConvNeXtConfig(width=3, kernel=5, initial_scale=0.0)
    x = jnp.asarray(signal())
    block = convolution.ConvNeXtBlock(config)
    params = block.init(jax.random.key(0), x)
    np.testing.assert_array_equal(block.apply(params, x), x)
    params["params"]["scale"] = jnp.ones(3)
    changed = block.apply(params, x.at[:, 5].add(1.0)) - block.apply(params, x)
    seen = np.flatnonzero(np.abs(changed).max((0, 2)) > 1e-6)
    np.testing.assert_array_equal(seen, [3, 4, 5, 6, 7])


def test_merge_keeps_time_order_and_split_inverts_it():
    x = jnp.asarray(signal(frames=12))
    merged = convolution.merge_frames(x, 3)
    np.testing.assert_array_equal(merged[0, 1], np.asarray(x[0, 3:6]).ravel())
    np.testing.assert_array_equal(convolution.split_frames(merged, 3), x)


@pytest.mark.parametrize("bad", [{"width": 0}, {"width": 4, "kernel": 4}])
def test_config_refuses(bad):
    with pytest.raises(errors.InputError, match="ConvNeXtConfig"):
        convolution.ConvNeXtConfig(**bad)
