"""The networks on both sides of the quantiser."""

from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.soundstream import config as config_lib
from musicrl_jax.nn import causal


class Encoder(nn.Module):
    """Samples to one vector a code frame."""

    config: config_lib.SoundStreamConfig

    def setup(self) -> None:
        """Lists the layers from the waveform to the vectors."""
        c = self.config
        layers: list[causal.Layer] = [
            causal.CausalConv(features=c.width, kernel=c.kernel)
        ]
        for block, stride in enumerate(c.strides):
            layers += _units(c, c.width * 2**block)
            layers.append(causal.DownConv(c.width * 2 ** (block + 1), stride))
        self.layers = [*layers, causal.OutConv(features=c.code_width, kernel=3)]

    def __call__(
        self, samples: Float[Array, "b n 1"], memory: causal.Memory | None = None
    ) -> tuple[Float[Array, "b f d"], causal.Memory]:
        """Returns the vectors to quantise, and what to remember."""
        return causal.chain(self.layers, samples, memory)


class Decoder(nn.Module):
    """Quantised vectors to samples; the mirror image of the encoder."""

    config: config_lib.SoundStreamConfig

    def setup(self) -> None:
        """Lists the layers from the vectors to the waveform."""
        c = self.config
        widest = c.width * 2 ** len(c.strides)
        layers: list[causal.Layer] = [
            causal.CausalConv(features=widest, kernel=c.kernel)
        ]
        for block, stride in reversed(list(enumerate(c.strides))):
            layers.append(causal.UpConv(c.width * 2**block, stride))
            layers += _units(c, c.width * 2**block)
        self.layers = [*layers, causal.OutConv(features=1, kernel=c.kernel)]

    def __call__(
        self, vectors: Float[Array, "b f d"], memory: causal.Memory | None = None
    ) -> tuple[Float[Array, "b n 1"], causal.Memory]:
        """Returns samples, and what to remember."""
        return causal.chain(self.layers, vectors, memory)


def _units(
    config: config_lib.SoundStreamConfig, width: int
) -> list[causal.ResidualUnit]:
    return [
        causal.ResidualUnit(width=width, kernel=config.kernel, dilation=dilation)
        for dilation in config.dilations
    ]


def init(
    config: config_lib.SoundStreamConfig, key: Key[Array, ""]
) -> dict[str, arrays.Params]:
    """Returns fresh parameters of both networks, under "encoder" and "decoder"."""
    first, second = jax.random.split(key)
    samples = jnp.zeros((1, config.samples_per_frame, 1))
    vectors = jnp.zeros((1, 1, config.code_width))
    return {
        "encoder": Encoder(config).init(first, samples)["params"],
        "decoder": Decoder(config).init(second, vectors)["params"],
    }


def encode(
    config: config_lib.SoundStreamConfig,
    params: arrays.Params,
    waveform: Float[Array, "b n"],
    memory: causal.Memory | None = None,
) -> tuple[Float[Array, "b f d"], causal.Memory]:
    """Applies the encoder; `params` has its parameters under "encoder"."""
    variables = {"params": params["encoder"]}
    made = Encoder(config).apply(variables, waveform[..., None], memory)
    return cast(tuple[Array, causal.Memory], made)


def decode(
    config: config_lib.SoundStreamConfig,
    params: arrays.Params,
    vectors: Float[Array, "b f d"],
    memory: causal.Memory | None = None,
) -> tuple[Float[Array, "b n"], causal.Memory]:
    """Applies the decoder; `params` has its parameters under "decoder"."""
    variables = {"params": params["decoder"]}
    made = Decoder(config).apply(variables, vectors, memory)
    samples, after = cast(tuple[Array, causal.Memory], made)
    return samples[..., 0], after
