"""Rotary position embedding."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def rotate(
    x: Float[Array, "b h t e"], positions: Int[Array, "#b t"], base: float = 10_000.0
) -> Float[Array, "b h t e"]:
    """Rotates pairs of features by an angle that grows with the position.

    Products of two rotated vectors depend on the difference of their positions only
    (Su et al. 2021). Feature i is paired with i + e / 2; the slowest pair turns once
    in about `2 pi base` positions.
    """
    half = x.shape[-1] // 2
    rates = base ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angles = positions[:, None, :, None].astype(jnp.float32) * rates[None, None, None]
    cosine, sine = jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype)
    low, high = x[..., :half], x[..., half:]
    return jnp.concatenate(
        [low * cosine - high * sine, high * cosine + low * sine], axis=-1
    )
