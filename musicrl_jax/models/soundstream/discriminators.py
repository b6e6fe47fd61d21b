"""What tells recordings from reconstructions.

Complex-STFT discriminators at several resolutions (EnCodec, section 3.4) and waveform
discriminators at several rates (MelGAN, SoundStream, section III.D). A layer with a
stride joins that many places and convolves with stride 1; see `nn.causal` for why.
"""

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import arrays
from musicrl_jax.models.soundstream import config as config_lib
from musicrl_jax.models.soundstream import losses
from musicrl_jax.nn import convolution

_SLOPE = 0.2


class StftDiscriminator(nn.Module):
    """Convolves real and imaginary parts over time and frequency.

    Attributes:
      window: samples of the transform; frames are a quarter of it apart.
      width: features of every layer.
      depth: layers that halve the number of frequencies.
    """

    window: int
    width: int
    depth: int

    @nn.compact
    def __call__(
        self, waveform: Float[Array, "b n"]
    ) -> tuple[Float[Array, "b frames bins"], list[Array]]:
        """Returns a logit of each place, and the hidden layers."""
        transform = spectrogram.stft(waveform, self.window, self.window // 4)
        parts = jnp.stack([transform.real, transform.imag], axis=-1)
        # A sine of amplitude 1 has a magnitude of a quarter of the window.
        x = parts[:, :, : self.window // 2] * (4 / self.window)
        layers = []
        for layer in range(self.depth + 1):
            x = _halved(x) if layer else x
            x = nn.Conv(self.width, (3, 3), name=f"layer_{layer}")(x)
            x = jax.nn.leaky_relu(x, _SLOPE)
            layers.append(x)
        return nn.Conv(1, (3, 3), name="out")(x)[..., 0], layers


class WaveDiscriminator(nn.Module):
    """Convolves samples over time, at a quarter of the rate after each layer.

    Attributes:
      width: features of the first layer; twice as many after each stride.
      depth: layers with a stride.
    """

    width: int
    depth: int

    @nn.compact
    def __call__(
        self, waveform: Float[Array, "b n"]
    ) -> tuple[Float[Array, "b frames"], list[Array]]:
        """Returns a logit of each place, and the hidden layers."""
        whole = waveform.shape[1] // 4**self.depth * 4**self.depth
        x = convolution.merge_frames(waveform[:, :whole, None], 4)
        layers = []
        for layer in range(self.depth):
            x = convolution.merge_frames(x, 4) if layer else x
            x = nn.Conv(self.width * 2**layer, (5,), name=f"layer_{layer}")(x)
            x = jax.nn.leaky_relu(x, _SLOPE)
            layers.append(x)
        return nn.Conv(1, (3,), name="out")(x)[..., 0], layers


class Discriminators(nn.Module):
    """All of them."""

    config: config_lib.DiscriminatorConfig

    @nn.compact
    def __call__(
        self, waveform: Float[Array, "b n"]
    ) -> list[tuple[Array, list[Array]]]:
        """Returns what each makes of clips."""
        c, judged = self.config, []
        for window in c.stft_windows:
            stft = StftDiscriminator(
                window, c.stft_width, c.depth, name=f"stft_{window}"
            )
            judged.append(stft(waveform))
        for scale in range(c.wave_scales):
            wave = WaveDiscriminator(c.wave_width, c.depth, name=f"wave_{scale}")
            judged.append(wave(waveform))
            waveform = _half_rate(waveform)
        return judged


def init(config: config_lib.DiscriminatorConfig, key: Key[Array, ""]) -> arrays.Params:
    """Returns fresh parameters of all discriminators."""
    samples = 2**config.wave_scales * 4 ** (config.depth + 1)
    silence = jnp.zeros((1, max(samples, *config.stft_windows)))
    return Discriminators(config).init(key, silence)["params"]


def judge(
    config: config_lib.DiscriminatorConfig,
    params: arrays.Params,
    waveform: Float[Array, "b n"],
) -> losses.Judgement:
    """Applies all discriminators."""
    made = Discriminators(config).apply({"params": params}, waveform)
    return cast(losses.Judgement, made)


def _half_rate(waveform: Float[Array, "b n"]) -> Float[Array, "b half"]:
    even = waveform[:, : waveform.shape[1] // 2 * 2]
    return jnp.mean(even.reshape(even.shape[0], -1, 2), axis=-1)


def _halved(x: Float[Array, "b frames bins d"]) -> Float[Array, "b frames half e"]:
    batch, frames, bins, width = x.shape
    return x.reshape(batch, frames, bins // 2, width * 2)
