"""The conditioning's start: sums of tables keep the angles of MuLan's vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.models.musiclm import adapter, warm_start
from musicrl_jax.models.musiclm import config as configs

CONFIG = configs.MusicLMConfig(
    width=256,
    heads=2,
    layers=1,
    depth_width=8,
    depth_heads=2,
    conditioning_tokens=3,
    conditioning_size=6,
)


def test_sums_of_conditioning_vectors_have_the_angles_of_the_embedding() -> None:
    policy = adapter.make_policy(CONFIG, configs.make_layout())
    params = jax.jit(policy.init)(jax.random.key(0))
    codebooks = jax.random.normal(jax.random.key(1), (3, 6, 10))
    started = warm_start.with_codebooks(params, codebooks, jax.random.key(2))
    assert jax.tree.structure(started) == jax.tree.structure(params)
    codes = jax.random.randint(jax.random.key(3), (20, 3), 0, 6)
    table = started["temporal"]["conditioning"]["table"]

    def angles(vectors: jax.Array) -> np.ndarray:
        unit = vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)
        return np.asarray(unit @ unit.T)

    levels = jnp.arange(3)[None]
    meant = angles(codebooks[levels, codes].sum(axis=1))
    got = angles(table[levels, codes].sum(axis=1))
    assert np.abs(got - meant).max() < 0.3
    assert np.corrcoef(got.ravel(), meant.ravel())[0, 1] > 0.97


def test_codebooks_of_other_sizes_are_refused() -> None:
    policy = adapter.make_policy(CONFIG, configs.make_layout())
    params = jax.eval_shape(policy.init, jax.random.key(0))
    with pytest.raises(errors.InputError, match="conditioning_size"):
        warm_start.with_codebooks(params, jnp.zeros((3, 7, 10)), jax.random.key(2))
