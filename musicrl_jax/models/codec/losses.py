"""Distances between spectrograms, and the straight-through quantiser's commitment."""

import jax
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


def commitment(
    residuals: Float[Array, "l k d"],
    chosen: Float[Array, "l k d"],
    weights: Float[Array, "k l"],
) -> Float[Array, ""]:
    """Returns the mean square distance of residuals to their entries, as constants.

    Weighted so that left-out levels (quantiser dropout) count nothing.
    """
    squared = jnp.mean(jnp.square(residuals - jax.lax.stop_gradient(chosen)), axis=-1)
    return jnp.sum(squared * weights.T) / jnp.maximum(jnp.sum(weights), 1.0)


def straight_through(
    vectors: Float[Array, "k d"], quantized: Float[Array, "k d"]
) -> Float[Array, "k d"]:
    """Returns `quantized`, whose gradient passes to `vectors` as it is."""
    return vectors + jax.lax.stop_gradient(quantized - vectors)
