"""Causal layers against SciPy's definitions; pieces against the whole; causality."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from musicrl_jax.nn import causal


def signal(frames=24, width=3):
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, frames, width)).astype(np.float32)


def dilated(weight, dilation):
    """Returns a kernel with zeros between its taps, time reversed."""
    taps = np.zeros(((len(weight) - 1) * dilation + 1, *weight.shape[1:]))
    taps[::dilation] = weight
    return taps[::-1]


def init(layer, x):
    params = layer.init(jax.random.key(0), jnp.asarray(x))["params"]
    leaves, tree = jax.tree.flatten(params)
    moved = [leaf + 0.1 * (i + 1) for i, leaf in enumerate(leaves)]
    return {"params": jax.tree.unflatten(tree, moved)}


@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize(("width", "features"), [(3, 5), (1, 4), (3, 1)])
@pytest.mark.parametrize("kernel", [2, 7])
def test_convolution_equals_scipys(kernel, width, features, dilation):
    layer = causal.CausalConv(features=features, kernel=kernel, dilation=dilation)
    x = signal(width=width)
    params = init(layer, x)
    got, _ = layer.apply(params, jnp.asarray(x))
    taps = dilated(np.asarray(params["params"]["kernel"]), dilation)
    bias = np.asarray(params["params"]["bias"])
    for out in range(features):
        wanted = sum(
            scipy.signal.lfilter(taps[:, i, out], 1.0, x[..., i], axis=1)
            for i in range(width)
        )
        np.testing.assert_allclose(got[..., out], wanted + bias[out], atol=1e-5)


@pytest.mark.parametrize("stride", [2, 5])
def test_down_convolution_is_strided_with_twice_its_kernel(stride):
    layer = causal.DownConv(features=4, stride=stride)
    x = signal(frames=6 * stride)
    params = init(layer, x)
    got, _ = layer.apply(params, jnp.asarray(x))
    conv = params["params"]["conv"]
    wanted = jax.lax.conv_general_dilated(
        jax.nn.elu(jnp.asarray(x)),
        conv["kernel"].reshape(2 * stride, 3, 4),
        (stride,),
        [(stride, 0)],
        dimension_numbers=("NWC", "WIO", "NWC"),
    )
    np.testing.assert_allclose(got, wanted + conv["bias"][None, None], atol=1e-5)


@pytest.mark.parametrize("stride", [2, 5])
def test_up_convolution_adds_overlapping_kernels(stride):
    layer = causal.UpConv(features=2, stride=stride)
    x = signal(frames=6)
    params = init(layer, x)
    got, _ = layer.apply(params, jnp.asarray(x))
    conv = jax.device_get(params["params"]["conv"])
    before, now = conv["kernel"].reshape(2, 3, stride, 2)
    kernel = np.concatenate([now, before], axis=1)
    wanted = np.zeros((2, 7 * stride, 2))
    activated = np.where(x > 0, x, np.expm1(x))
    for frame in range(6):
        place = slice(frame * stride, (frame + 2) * stride)
        wanted[:, place] += np.einsum("bd,dse->bse", activated[:, frame], kernel)
    bias = conv["bias"].reshape(stride, 2)
    wanted = wanted[:, : 6 * stride] + np.tile(bias, (6, 1))[None]
    np.testing.assert_allclose(got, wanted, atol=1e-5)


LAYERS = {
    "conv": causal.CausalConv(features=3, kernel=7, dilation=3),
    "unit": causal.ResidualUnit(width=3, kernel=5, dilation=2),
    "down": causal.DownConv(features=3, stride=2),
    "up": causal.UpConv(features=3, stride=4),
    "out": causal.OutConv(features=1, kernel=3),
}


@pytest.mark.parametrize("name", sorted(LAYERS))
@pytest.mark.parametrize("pieces", [(2, 22), (12, 12), (2, 2, 4, 16)])
def test_pieces_equal_the_whole(name, pieces):
    layer, x = LAYERS[name], jnp.asarray(signal())
    params = init(layer, x)
    whole, _ = layer.apply(params, x)
    past, parts, start = None, [], 0
    for size in pieces:
        part, past = layer.apply(params, x[:, start : start + size], past)
        parts.append(part)
        start += size
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_nothing_depends_on_what_comes_later(name):
    layer, x = LAYERS[name], jnp.asarray(signal())
    params = init(layer, x)
    changed = np.abs(
        layer.apply(params, x.at[:, 12:].add(1.0))[0] - layer.apply(params, x)[0]
    )
    half = changed.shape[1] // 2
    assert changed[:, :half].max() == 0
    assert changed[:, half:].max() > 0


def test_elu_equals_jaxs():
    x = jnp.linspace(-20, 5, 101)
    np.testing.assert_allclose(causal.elu(x), jax.nn.elu(x), atol=1e-6)
    assert jnp.isfinite(jax.grad(lambda x: causal.elu(x).sum())(x * 100)).all()
