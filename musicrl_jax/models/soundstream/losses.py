"""Distances of waveforms and spectrograms, and the losses of the adversarial game."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from musicrl_jax.audio import spectrogram

Judgement = Sequence[tuple[Array, Sequence[Array]]]
"""Of each discriminator: logits (positive: a recording), and hidden layers."""


def waveform_distance(
    target: Float[Array, "b n"], estimate: Float[Array, "b n"]
) -> Float[Array, ""]:
    """Returns the mean absolute difference of samples."""
    return jnp.mean(jnp.abs(target - estimate))


def mel_distance(
    target: Float[Array, "b n"],
    estimate: Float[Array, "b n"],
    sample_rate_hz: int,
    windows: Sequence[int],
) -> Float[Array, ""]:
    """Returns the mean absolute difference of natural-log mel spectrograms.

    One spectrogram of each window (DAC, Kumar et al. 2023, section 3.4): frames a
    quarter of it apart, an eighth as many bands as it has samples.
    """
    distances = []
    for window in windows:
        mel = spectrogram.MelConfig(
            sample_rate_hz=sample_rate_hz,
            fft_size=window,
            hop=window // 4,
            num_mels=window // 8,
        )
        difference = spectrogram.log_mel(target, mel) - spectrogram.log_mel(
            estimate, mel
        )
        distances.append(jnp.mean(jnp.abs(difference)))
    return jnp.mean(jnp.stack(distances))


def discriminator_hinge(real: Judgement, fake: Judgement) -> Float[Array, ""]:
    """Returns the loss of telling recordings from reconstructions, at least 0."""
    losses = [
        jnp.mean(jax.nn.relu(1.0 - of_real)) + jnp.mean(jax.nn.relu(1.0 + of_fake))
        for (of_real, _), (of_fake, _) in zip(real, fake, strict=True)
    ]
    return jnp.mean(jnp.stack(losses))


def adversarial_hinge(fake: Judgement) -> Float[Array, ""]:
    """Returns the loss of being told from a recording, at least 0."""
    return jnp.mean(
        jnp.stack([jnp.mean(jax.nn.relu(1.0 - logits)) for logits, _ in fake])
    )


def feature_distance(real: Judgement, fake: Judgement) -> Float[Array, ""]:
    """Returns the mean absolute difference of hidden layers, over their mean size."""
    distances = [
        jnp.mean(jnp.abs(of_real - of_fake)) / (jnp.mean(jnp.abs(of_real)) + 1e-6)
        for (_, real_layers), (_, fake_layers) in zip(real, fake, strict=True)
        for of_real, of_fake in zip(real_layers, fake_layers, strict=True)
    ]
    return jnp.mean(jnp.stack(distances))
