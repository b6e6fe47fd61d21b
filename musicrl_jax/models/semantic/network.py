"""The semantic encoder: hidden log-mel frames in, their targets out."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.nn import convolution


class SemanticEncoder(nn.Module):
    """ConvNeXt blocks over frames, with a head for masked prediction.

    Convolutions see a few seconds around a frame and know no absolute time, so a clip's
    tokens hardly depend on where it was cut.
    """

    config: semantic_config.SemanticConfig

    def setup(self) -> None:
        """Declares the parts."""
        sizes = self.config
        self.enter = nn.Dense(sizes.width)
        self.hidden = self.param(
            "hidden", nn.initializers.normal(0.1), (1, 1, sizes.width)
        )
        block = convolution.ConvNeXtConfig(width=sizes.width, kernel=sizes.kernel)
        self.lower = convolution.ConvNeXtStack(block, sizes.token_block)
        self.upper = convolution.ConvNeXtStack(block, sizes.blocks - sizes.token_block)
        self.norm = nn.LayerNorm()
        self.head = nn.Dense(sizes.targets * sizes.target_size)

    def normalise(self, mel: Float[Array, "b f m"]) -> Float[Array, "b f m"]:
        """Returns log-mel frames with about zero mean and unit variance."""
        return (mel - self.config.mel_mean) / self.config.mel_deviation

    def features(self, mel: Float[Array, "b f m"]) -> Float[Array, "b f d"]:
        """Returns the middle layer's features, whose clusters are the tokens."""
        x = self.lower(self.enter(self.normalise(mel)))
        # Without learned scale: clusters compare directions of features alike.
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        return centred / jnp.sqrt(jnp.var(x, axis=-1, keepdims=True) + 1e-6)

    def __call__(
        self, mel: Float[Array, "b f m"], mask: Bool[Array, "b f"]
    ) -> Float[Array, "b f t c"]:
        """Returns logits of the targets; frames of `mask` are replaced before."""
        x = jnp.where(mask[:, :, None], self.hidden, self.enter(self.normalise(mel)))
        logits = self.head(self.norm(self.upper(self.lower(x))))
        return logits.reshape(*mask.shape, self.config.targets, self.config.target_size)


def init_params(
    config: semantic_config.SemanticConfig, key: Key[Array, ""]
) -> arrays.Tree:
    """Returns random parameters of `SemanticEncoder`."""
    mel = jnp.zeros((1, config.kernel, config.num_mels))
    mask = jnp.zeros((1, config.kernel), bool)
    return SemanticEncoder(config=config).init(key, mel, mask)["params"]


def init_targets(
    config: semantic_config.SemanticConfig, key: Key[Array, ""]
) -> dict[str, Float[Array, "..."]]:
    """Draws the projections and unit-vector codebooks of the targets; never trained."""
    project, look_up = jax.random.split(key)
    sizes = (config.targets, config.num_mels, config.target_width)
    entries = (config.targets, config.target_size, config.target_width)
    codebooks = jax.random.normal(look_up, entries)
    return {
        "projections": jax.random.normal(project, sizes) / config.num_mels**0.5,
        "codebooks": codebooks / jnp.linalg.norm(codebooks, axis=-1, keepdims=True),
    }
