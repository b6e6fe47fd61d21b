"""Laws of rotary positions."""

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.nn import positions


def test_products_depend_on_the_difference_of_positions_only() -> None:
    q, k = jax.random.normal(jax.random.key(0), (2, 1, 2, 5, 8))
    near = jnp.arange(5)[None]
    far = near + 700

    def products(place: jax.Array) -> jax.Array:
        rotated_q = positions.rotate(q, place)
        rotated_k = positions.rotate(k, place)
        return jnp.einsum("bhte,bhse->bhts", rotated_q, rotated_k)

    np.testing.assert_allclose(products(near), products(far), atol=2e-3)
    moved = jnp.einsum(
        "bhte,bhse->bhts", positions.rotate(q, near), positions.rotate(k, near + 1)
    )
    assert float(jnp.abs(moved - products(near)).max()) > 0.1


def test_rotation_keeps_length_and_position_zero_is_the_identity() -> None:
    x = jax.random.normal(jax.random.key(1), (2, 3, 4, 6))
    rotated = positions.rotate(x, jnp.asarray([[0, 1, 5, 900]]))
    np.testing.assert_allclose(rotated[:, :, 0], x[:, :, 0], atol=1e-6)
    np.testing.assert_allclose(
        jnp.linalg.norm(rotated, axis=-1), jnp.linalg.norm(x, axis=-1), rtol=1e-4
    )
