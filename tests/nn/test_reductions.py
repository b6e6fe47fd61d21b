"""The index of the largest score."""

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.nn import reductions


def test_largest_is_the_first_of_the_largest() -> None:
    scores = jax.random.randint(jax.random.key(0), (4, 5, 9), 0, 3).astype(jnp.float32)
    np.testing.assert_array_equal(
        reductions.largest(scores), np.argmax(scores, axis=-1)
    )


def test_largest_is_an_entry_where_scores_are_no_numbers() -> None:
    scores = jnp.asarray([[jnp.nan, 1.0, 2.0], [-jnp.inf, -jnp.inf, -jnp.inf]])
    np.testing.assert_array_equal(reductions.largest(scores), [2, 0])
