"""The quality estimator's network."""

from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.nn import convolution

LOWEST, HIGHEST = 1.0, 5.0
FLOOR = -8.0
"""Lowest value that is told apart, in natural-log units against the clip's level."""


class QualityNetwork(nn.Module):
    """Log-mel frames to a mean opinion score; clips of any length fit."""

    config: quality_config.QualityConfig

    def setup(self) -> None:
        """Declares the parts."""
        sizes = self.config
        self.stages = [
            nn.Conv(channels, (3, 3), strides=(2, 2)) for channels in sizes.channels
        ]
        self.stage_norms = [nn.LayerNorm() for _ in sizes.channels]
        self.mix = nn.Dense(sizes.width)
        self.temporal = convolution.ConvNeXtStack(
            convolution.ConvNeXtConfig(width=sizes.width, kernel=sizes.kernel),
            sizes.blocks,
        )
        self.leave_out = nn.Dropout(sizes.dropout)
        self.hidden = nn.Dense(sizes.width)
        self.head = nn.Dense(1)

    def __call__(
        self, mel: Float[Array, "b frames m"], *, training: bool = False
    ) -> Float[Array, " b"]:
        """Returns scores between 1 and 5; the level of the clip does not matter."""
        x = relative_to_level(mel)[..., None]
        for stage, norm in zip(self.stages, self.stage_norms, strict=True):
            x = nn.gelu(norm(stage(x)))
        x = nn.gelu(self.mix(x.reshape(*x.shape[:2], -1)))
        x = self.temporal(x)
        mean = jnp.mean(x, axis=1)
        # The square root of a variance of 0 has no gradient.
        spread = jnp.sqrt(jnp.var(x, axis=1) + 1e-6)
        pooled = jnp.concatenate([mean, spread, jnp.max(x, axis=1)], axis=-1)
        pooled = self.leave_out(pooled, deterministic=not training)
        score = self.head(nn.gelu(self.hidden(pooled)))[:, 0]
        return LOWEST + (HIGHEST - LOWEST) * jax.nn.sigmoid(score)


def relative_to_level(mel: Float[Array, "b frames m"]) -> Float[Array, "b frames m"]:
    """Returns log-mel values against each clip's mean power, about unit size.

    What lies more than `FLOOR` below the level is silence.
    """
    power = jax.nn.logsumexp(2 * mel, axis=(1, 2), keepdims=True)
    level = 0.5 * (power - jnp.log(mel.shape[1] * mel.shape[2]))
    return (jnp.maximum(mel - level, FLOOR) - FLOOR / 2) / 3.0


def opinion(
    config: quality_config.QualityConfig,
    params: arrays.Params,
    mel: Float[Array, "b frames m"],
    dropout: Key[Array, ""] | None = None,
) -> Float[Array, " b"]:
    """Returns scores from 1 to 5; a key leaves features out, as in training."""
    out = QualityNetwork(config=config).apply(
        {"params": params},
        mel,
        training=dropout is not None,
        rngs=None if dropout is None else {"dropout": dropout},
    )
    return cast(Array, out)


def init_params(
    config: quality_config.QualityConfig, key: Key[Array, ""]
) -> arrays.Tree:
    """Returns random parameters."""
    mel = jnp.zeros((1, 2 ** len(config.channels), config.num_mels))
    return QualityNetwork(config=config).init(key, mel)["params"]


def abstract_params(config: quality_config.QualityConfig) -> arrays.Tree:
    """Returns the shapes of the parameters, for reading them from a file."""
    return jax.eval_shape(lambda key: init_params(config, key), jax.random.key(0))
