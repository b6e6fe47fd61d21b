"""The stack: masks, the cache and its ring, scanned and unrolled layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.nn import attention_kernels, block
from musicrl_jax.nn import cache as caches
from musicrl_jax.nn import config as configs

PREFIX, STEPS, WINDOW = 3, 11, 4
MASK = attention_kernels.PrefixWindow(prefix=PREFIX, steps=STEPS, window=WINDOW)
CONFIG = configs.BlockConfig(width=16, heads=2, layers=2)


def test_window_mask_shows_prefix_and_the_newest_steps() -> None:
    mask = MASK.array()
    for query in range(PREFIX + STEPS):
        for key in range(PREFIX + STEPS):
            past = 0 <= query - key < WINDOW
            expected = key < PREFIX or (query >= PREFIX and past)
            assert mask[query, key] == expected


@pytest.mark.parametrize("kernel", ["einsum", "xla", "splash"])
def test_steps_with_a_ring_cache_equal_the_whole_sequence(kernel: str) -> None:
    config = configs.BlockConfig(width=16, heads=2, layers=2, attention=kernel)
    stack = block.TransformerStack(config)
    x = jax.random.normal(jax.random.key(0), (2, PREFIX + STEPS, 16))
    params = stack.init(jax.random.key(1), x)
    mask = MASK
    whole = stack.apply(params, x, mask)

    cache = stack.apply(params, x[:, :PREFIX], None, WINDOW, method="prefill")
    for step in range(STEPS):
        number = jnp.asarray(step)
        place = configs.Place(
            position=number + PREFIX,
            slot=caches.ring_slot(number, PREFIX, WINDOW),
            visible=caches.visible(number, PREFIX, WINDOW),
        )
        one = x[:, PREFIX + step][:, None]
        y, cache = stack.apply(params, one, cache, place, method="extend")
        np.testing.assert_allclose(y[:, 0], whole[:, PREFIX + step], atol=2e-5)


def test_scanned_and_rematerialised_layers_equal_unrolled_ones() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 5, 16))
    unrolled = block.TransformerStack(CONFIG)
    scanned = block.TransformerStack(CONFIG, scan=True, remat=True)
    params = unrolled.init(jax.random.key(1), x)

    def loss(params: dict, stack: block.TransformerStack) -> jax.Array:
        return jnp.sum(stack.apply(params, x) ** 2)

    for a, b in zip(
        jax.tree.leaves(jax.grad(loss)(params, unrolled)),
        jax.tree.leaves(jax.grad(loss)(params, scanned)),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_without_positions_a_permutation_of_the_input_permutes_the_output() -> None:
    config = configs.BlockConfig(width=16, heads=2, rotary=False)
    module = block.TransformerBlock(config)
    x = jax.random.normal(jax.random.key(0), (1, 6, 16))
    params = module.init(jax.random.key(1), x)
    order = jnp.asarray([4, 2, 0, 5, 1, 3])
    np.testing.assert_allclose(
        module.apply(params, x[:, order]), module.apply(params, x)[:, order], atol=1e-5
    )


@pytest.mark.parametrize(
    "wrong", [{"heads": 3}, {"dtype": "float16"}, {"layers": 0}, {"mlp_ratio": 0.0}]
)
def test_impossible_sizes_are_named(wrong: dict) -> None:
    with pytest.raises(errors.InputError, match=r"BlockConfig|width"):
        configs.BlockConfig(**({"width": 16, "heads": 2} | wrong))
