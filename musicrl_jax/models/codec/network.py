"""The networks on both sides of the quantiser."""

from typing import cast

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from musicrl_jax.core import arrays
from musicrl_jax.models.codec import config as config_lib
from musicrl_jax.nn import convolution

# Centre and spread of log-mel values of music, so that inputs are near unit scale.
_MEL_CENTRE = -4.0
_MEL_SPREAD = 3.0


class Encoder(nn.Module):
    """Log-mel frames to one vector a code step."""

    config: config_lib.CodecConfig

    @nn.compact
    def __call__(self, log_mel: Float[Array, "b frames m"]) -> Float[Array, "b f d"]:
        """Returns the vectors to quantise."""
        c = self.config
        x = (log_mel - _MEL_CENTRE) / _MEL_SPREAD
        x = convolution.merge_frames(x, c.frames_per_code)
        x = nn.LayerNorm(name="norm_in")(nn.Dense(c.width, name="project")(x))
        x = convolution.ConvNeXtStack(c.block, c.encoder_depth, name="blocks")(x)
        return nn.Dense(c.code_width, name="out")(nn.LayerNorm(name="norm_out")(x))


class Decoder(nn.Module):
    """Quantised vectors to natural-log STFT magnitudes."""

    config: config_lib.CodecConfig

    @nn.compact
    def __call__(self, vectors: Float[Array, "b f d"]) -> Float[Array, "b frames bins"]:
        """Returns log magnitudes, floored at the codec's smallest."""
        c = self.config
        x = nn.LayerNorm(name="norm_in")(nn.Dense(c.width, name="project")(vectors))
        x = convolution.ConvNeXtStack(c.block, c.code_depth, name="code_blocks")(x)
        x = nn.Dense(c.width * c.frames_per_code, name="split")(x)
        x = convolution.split_frames(x, c.frames_per_code)
        x = convolution.ConvNeXtStack(c.block, c.frame_depth, name="frame_blocks")(x)
        x = nn.Dense(c.bins, name="head")(nn.LayerNorm(name="norm_out")(x))
        # Near zero the head's output is a middling magnitude.
        return jnp.log(c.magnitude_floor + jnp.exp(jnp.minimum(x - 2.0, 8.0)))


def encode(
    config: config_lib.CodecConfig,
    params: arrays.Params,
    log_mel: Float[Array, "b frames m"],
) -> Float[Array, "b f d"]:
    """Applies the encoder; `params` has its parameters under "encoder"."""
    variables = {"params": params["encoder"]}
    return cast(Array, Encoder(config).apply(variables, log_mel))


def decode(
    config: config_lib.CodecConfig,
    params: arrays.Params,
    vectors: Float[Array, "b f d"],
) -> Float[Array, "b frames bins"]:
    """Applies the decoder; `params` has its parameters under "decoder"."""
    variables = {"params": params["decoder"]}
    return cast(Array, Decoder(config).apply(variables, vectors))
