"""Every attention kernel gives the same, and so do its gradients."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from musicrl_jax.core import errors, sharding
from musicrl_jax.nn import attention_kernels, config

MASKS = {
    "all": None,
    "window": attention_kernels.PrefixWindow(prefix=5, steps=145, window=20),
}
KERNELS = {
    "xla": functools.partial(attention_kernels.attend, "xla"),
    "splash": functools.partial(attention_kernels.splash, interpret=True),
}


def heads(clips=2):
    """Two heads of 150 places, which is no multiple of a splash block."""
    keys = jax.random.split(jax.random.key(0), 3)
    return [jax.random.normal(key, (clips, 2, 150, 8)) for key in keys]


def independent(queries, keys, values, mask):
    """In float64, one row of scores after another."""
    queries, keys, values = (np.asarray(x, np.float64) for x in (queries, keys, values))
    seen = np.ones((150, 150), bool) if mask is None else mask.array()
    out = np.zeros_like(values)
    for clip, head, place in np.ndindex(queries.shape[:3]):
        score = keys[clip, head] @ queries[clip, head, place] / np.sqrt(8)
        weight = np.exp(score - score.max()) * seen[place]
        out[clip, head, place] = weight @ values[clip, head] / weight.sum()
    return out


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("name", ["einsum", *KERNELS])
def test_a_kernel_is_the_softmax_of_what_is_seen(name, mask):
    kernel = KERNELS.get(name, attention_kernels.einsum)
    found = kernel(*heads(), mask)
    np.testing.assert_allclose(found, independent(*heads(), mask), atol=2e-6)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_gradients_agree(kernel, mask):
    def gradients(attend):
        return jax.grad(lambda *x: jnp.sum(jnp.sin(attend(*x, mask))), (0, 1, 2))

    found = gradients(kernel)(*heads())
    wanted = gradients(attention_kernels.einsum)(*heads())
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_splash_works_on_each_device_of_a_mesh():
    mesh = sharding.make_mesh(sharding.MeshConfig(data=2, tensor=2))
    mask = MASKS["window"]

    def spread(*parts):
        with sharding.on(mesh):
            return KERNELS["splash"](*parts, mask)

    rows = NamedSharding(mesh, PartitionSpec("data", "tensor"))
    found = jax.jit(spread)(*(jax.device_put(x, rows) for x in heads(4)))
    wanted = attention_kernels.einsum(*heads(4), mask)
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert len(found.sharding.device_set) == 4


def test_cudnn_agrees_where_it_is_and_says_so_where_it_is_not():
    mask = MASKS["window"]
    parts = [jnp.pad(x, [(0, 0)] * 3 + [(0, 56)]) for x in heads()]
    parts = [x.astype(jnp.bfloat16) for x in parts]
    if jax.default_backend() == "gpu":
        found = attention_kernels.attend("cudnn", *parts, mask)
        wanted = attention_kernels.einsum(*parts, mask)
        np.testing.assert_allclose(found, wanted, atol=2e-2)
    else:
        with pytest.raises(errors.InputError, match="needs an NVIDIA GPU"):
            attention_kernels.attend("cudnn", *parts, mask)


def test_kernels_agree_in_bfloat16():
    parts = [x.astype(jnp.bfloat16) for x in heads()]
    wanted = independent(*parts, MASKS["window"])
    for kernel in (attention_kernels.einsum, *KERNELS.values()):
        found = kernel(*parts, MASKS["window"]).astype(jnp.float32)
        np.testing.assert_allclose(found, wanted, atol=2e-2)


def test_a_window_holds_at_least_the_place_itself():
    with pytest.raises(errors.InputError, match="a window of at least 1"):
        attention_kernels.PrefixWindow(prefix=2, steps=3, window=0)


def test_every_name_has_a_kernel():
    assert tuple(attention_kernels.KERNELS) == config.ATTENTION


def test_pieces_leave_out_only_what_a_mask_hides():
    mask = attention_kernels.PrefixWindow(prefix=5, steps=750, window=100)
    scored = np.zeros((755, 755), bool)
    for start, end, reach in mask.pieces():
        scored[start:end, :5] = scored[start:end, reach:end] = True
    assert not (mask.array() & ~scored).any()
    assert scored.sum() < 0.35 * scored.size


@pytest.mark.parametrize("steps", [0, 1, 128, 129, 300])
def test_pieces_are_the_whole_sequence_in_order(steps):
    mask = attention_kernels.PrefixWindow(prefix=3, steps=steps, window=7)
    pieces = mask.pieces()
    assert pieces[0].start == 0
    assert pieces[-1].end == 3 + steps
    for one, following in itertools.pairwise(pieces):
        assert one.end == following.start
    for piece in pieces:
        assert piece.end - piece.start <= 3 + attention_kernels.PIECE
