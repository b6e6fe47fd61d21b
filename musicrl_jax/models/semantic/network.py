"""The semantic encoder: hidden log-mel frames in, their targets out."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.nn import conformer, convolution


class SemanticEncoder(nn.Module):
    """Blocks over tokens' frames, with a head for masked prediction.

    ConvNeXt blocks see a few seconds around a token and know no absolute time, so a
    clip's tokens hardly depend on where it was cut. Conformer blocks see the whole
    clip, at relative positions.
    """

    config: semantic_config.SemanticConfig

    def setup(self) -> None:
        """Declares the parts."""
        sizes = self.config
        dtype = jnp.dtype(sizes.dtype)
        self.stem = [
            nn.Conv(sizes.stem_channels, (3, 3), strides=(2, 2), dtype=dtype)
            for _ in range(sizes.stem_stages)
        ]
        self.stem_norms = [nn.LayerNorm(dtype=dtype) for _ in range(sizes.stem_stages)]
        self.enter = nn.Dense(sizes.width)
        self.hidden = self.param(
            "hidden", nn.initializers.normal(0.1), (1, 1, sizes.width)
        )
        self.lower = _stack(sizes, sizes.token_block)
        self.upper = _stack(sizes, sizes.blocks - sizes.token_block)
        self.norm = nn.LayerNorm()
        self.head = nn.Dense(sizes.targets * sizes.target_size)

    def normalise(self, mel: Float[Array, "b frames m"]) -> Float[Array, "b frames m"]:
        """Returns log-mel frames with about zero mean and unit variance."""
        return (mel - self.config.mel_mean) / self.config.mel_deviation

    def embed(self, mel: Float[Array, "b frames m"]) -> Float[Array, "b f d"]:
        """Returns what the blocks read; `mel` is normalised and of whole tokens."""
        x = mel
        if self.stem:
            x = mel[..., None]
            for conv, norm in zip(self.stem, self.stem_norms, strict=True):
                x = nn.gelu(norm(conv(x)))
            x = x.reshape(*x.shape[:2], -1)
        return self.enter(x)

    def features(self, mel: Float[Array, "b frames m"]) -> Float[Array, "b f d"]:
        """Returns the middle layer's features, whose clusters are the tokens.

        Frames at the end that are not a whole token's are left out.
        """
        frames = mel.shape[1] - mel.shape[1] % self.config.frames_per_token
        x = self.embed(self.normalise(mel[:, :frames]))
        x = self.lower(x.astype(self.config.dtype)).astype(jnp.float32)
        # Without learned scale: clusters compare directions of features alike.
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        return centred / jnp.sqrt(jnp.var(x, axis=-1, keepdims=True) + 1e-6)

    def __call__(
        self, mel: Float[Array, "b frames m"], mask: Bool[Array, "b f"]
    ) -> Float[Array, "b f t c"]:
        """Returns logits of the targets; tokens of `mask` are replaced before."""
        x = self.normalise(mel)
        if self.stem:
            # The stem's kernels reach over into hidden frames, so these go first.
            by_frame = jnp.repeat(mask, self.config.frames_per_token, axis=1)
            x = jnp.where(by_frame[:, :, None], 0.0, x)
        x = jnp.where(mask[:, :, None], self.hidden, self.embed(x))
        x = self.upper(self.lower(x.astype(self.config.dtype)))
        logits = self.head(self.norm(x))
        return logits.reshape(*mask.shape, self.config.targets, self.config.target_size)


def _stack(sizes: semantic_config.SemanticConfig, blocks: int) -> nn.Module:
    if sizes.heads:
        return conformer.ConformerStack(sizes.conformer(blocks))
    return convolution.ConvNeXtStack(sizes.convnext, blocks)


def init_params(
    config: semantic_config.SemanticConfig, key: Key[Array, ""]
) -> arrays.Tree:
    """Returns random parameters of `SemanticEncoder`."""
    frames = config.kernel * config.frames_per_token
    mel = jnp.zeros((1, frames, config.num_mels))
    mask = jnp.zeros((1, config.kernel), bool)
    return SemanticEncoder(config=config).init(key, mel, mask)["params"]


def init_targets(
    config: semantic_config.SemanticConfig, key: Key[Array, ""]
) -> dict[str, Float[Array, "..."]]:
    """Draws the projections and unit-vector codebooks of the targets; never trained."""
    project, look_up = jax.random.split(key)
    sizes = (config.targets, config.token_mels, config.target_width)
    entries = (config.targets, config.target_size, config.target_width)
    codebooks = jax.random.normal(look_up, entries)
    return {
        "projections": jax.random.normal(project, sizes) / config.token_mels**0.5,
        "codebooks": codebooks / jnp.linalg.norm(codebooks, axis=-1, keepdims=True),
    }
