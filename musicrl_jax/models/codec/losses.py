"""Distances between spectrograms."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def log_magnitude_distance(
    target: Float[Array, "b frames bins"], estimate: Float[Array, "b frames bins"]
) -> Float[Array, ""]:
    """Returns the mean absolute difference of two log spectrograms."""
    return jnp.mean(jnp.abs(target - estimate))


def compressed_distance(
    log_target: Float[Array, "b frames bins"],
    log_estimate: Float[Array, "b frames bins"],
    power: float = 0.3,
) -> Float[Array, ""]:
    """Returns the mean absolute difference of magnitudes to the power `power`."""
    difference = jnp.exp(power * log_target) - jnp.exp(power * log_estimate)
    return jnp.mean(jnp.abs(difference))


def log_spectral_distance(
    target: Float[Array, "b frames bins"],
    estimate: Float[Array, "b frames bins"],
    floor: float = 1e-3,
) -> Float[Array, ""]:
    """Returns LSD in dB: root mean square over bins of level differences, averaged."""
    decibels = 20 * (
        jnp.log10(jnp.maximum(target, floor)) - jnp.log10(jnp.maximum(estimate, floor))
    )
    return jnp.mean(jnp.sqrt(jnp.mean(jnp.square(decibels), axis=-1)))
