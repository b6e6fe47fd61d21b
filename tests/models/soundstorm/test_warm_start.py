"""A start from the codec's entries: near entries look alike, in and out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.models.soundstorm import warm_start

PARAMS = {
    "codes": {"table": jnp.zeros((3, 16, 64))},
    "heads": jnp.zeros((2, 64, 16)),
    "bias": jnp.ones((2, 16)),
}
ENTRIES = jnp.asarray(np.random.default_rng(0).normal(size=(3, 16, 8)), jnp.float32)
BOOKS = ENTRIES * jnp.asarray([1.0, 0.5, 0.1])[:, None, None]


def gram(rows):
    rows = np.asarray(rows) / np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows @ rows.T


def test_products_of_entries_are_kept_and_levels_stay_on_one_scale():
    found = warm_start.with_codebooks(PARAMS, BOOKS, jax.random.key(0))
    table = found["codes"]["table"]
    for level in range(3):
        likeness = np.corrcoef(gram(table[level]).ravel(), gram(BOOKS[level]).ravel())
        assert likeness[0, 1] > 0.9
    spread = table.std(axis=(1, 2))
    wanted = 0.5 * BOOKS.std(axis=(1, 2)) / BOOKS[0].std()
    np.testing.assert_allclose(spread, wanted, rtol=0.2)
    heads = found["heads"].swapaxes(1, 2)
    np.testing.assert_allclose(heads.std(axis=(1, 2)), 0.1, rtol=0.2)
    assert np.corrcoef(gram(heads[1]).ravel(), gram(BOOKS[2]).ravel())[0, 1] > 0.9
    assert found["bias"] is PARAMS["bias"]


def test_codebooks_of_another_codec_are_refused():
    with pytest.raises(errors.InputError, match=r"\(3, 16\); got \(2, 16\)"):
        warm_start.with_codebooks(PARAMS, BOOKS[:2], jax.random.key(0))
