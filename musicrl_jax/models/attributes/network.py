"""The attribute classifier's network."""

from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.attributes import config as attributes_config


class AttributeNetwork(nn.Module):
    """Log-mel frames to logits of each attribute; clips of any length fit."""

    config: attributes_config.AttributesConfig

    def setup(self) -> None:
        """Declares the parts."""
        sizes = self.config
        self.stages = [
            nn.Conv(channels, (3, 3), strides=(2, 2)) for channels in sizes.channels
        ]
        self.stage_norms = [nn.LayerNorm() for _ in sizes.channels]
        self.mix = nn.Dense(sizes.width)
        self.temporal = [nn.Conv(sizes.width, (sizes.kernel,)) for _ in range(2)]
        self.temporal_norms = [nn.LayerNorm() for _ in range(2)]
        self.leave_out = nn.Dropout(sizes.dropout)
        self.heads = [
            nn.Dense(len(head.labels), name=f"head_{index}")
            for index, head in enumerate(sizes.heads)
        ]

    def __call__(
        self, mel: Float[Array, "b frames m"], *, training: bool = False
    ) -> dict[str, Float[Array, "b labels"]]:
        """Returns logits by attribute; the level of the clip does not matter."""
        mean = jnp.mean(mel, axis=(1, 2), keepdims=True)
        x = ((mel - mean) / 3.0)[..., None]
        for stage, norm in zip(self.stages, self.stage_norms, strict=True):
            x = nn.gelu(norm(stage(x)))
        x = nn.gelu(self.mix(x.reshape(*x.shape[:2], -1)))
        for layer, norm in zip(self.temporal, self.temporal_norms, strict=True):
            x = x + nn.gelu(layer(norm(x)))
        pooled = jnp.concatenate([jnp.mean(x, axis=1), jnp.max(x, axis=1)], axis=-1)
        pooled = self.leave_out(pooled, deterministic=not training)
        names = [head.name for head in self.config.heads]
        return {
            name: layer(pooled) for name, layer in zip(names, self.heads, strict=True)
        }


def logits(
    config: attributes_config.AttributesConfig,
    params: arrays.Params,
    mel: Float[Array, "b frames m"],
    dropout: Key[Array, ""] | None = None,
) -> dict[str, Float[Array, "b labels"]]:
    """Returns logits by attribute; a key leaves features out, as in training."""
    out = AttributeNetwork(config=config).apply(
        {"params": params},
        mel,
        training=dropout is not None,
        rngs=None if dropout is None else {"dropout": dropout},
    )
    return cast("dict[str, Array]", out)


def init_params(
    config: attributes_config.AttributesConfig, key: Key[Array, ""]
) -> arrays.Tree:
    """Returns random parameters."""
    mel = jnp.zeros((1, 2 ** len(config.channels), config.num_mels))
    return AttributeNetwork(config=config).init(key, mel)["params"]


def abstract_params(config: attributes_config.AttributesConfig) -> arrays.Tree:
    """Returns the shapes of the parameters, for reading them from a file."""
    return jax.eval_shape(lambda key: init_params(config, key), jax.random.key(0))
