"""The two towers of MuLan."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.nn import block, convolution, normalization

INITIAL_LOG_SCALE = 2.659
"""ln(1 / 0.07), CLIP's initial inverse temperature."""


class AudioStem(nn.Module):
    """Convolutions over frames and bands, which find a sound at any pitch.

    Each halves the bands; the last one also halves the frames.
    """

    channels: tuple[int, ...]
    dtype: jnp.dtype

    def setup(self) -> None:
        """Declares the convolutions."""
        last = len(self.channels) - 1
        self.layers = [
            nn.Conv(
                width,
                (3, 7),
                strides=(2 if i == last else 1, 2),
                padding="SAME",
                dtype=self.dtype,
            )
            for i, width in enumerate(self.channels)
        ]

    def __call__(self, mel: Float[Array, "b frames m"]) -> Float[Array, "b f d"]:
        """Returns the channels of all bands as one vector for each second frame."""
        x = mel[..., None]
        for layer in self.layers:
            x = nn.gelu(layer(x))
        return x.reshape(*x.shape[:2], -1)


class AudioTower(nn.Module):
    """Log-mel frames to a vector: strided ConvNeXt stages, attention, then pooling.

    Nothing knows its absolute time, so clips of any length fit.
    """

    config: mulan_config.MulanConfig

    def setup(self) -> None:
        """Declares the parts."""
        sizes = self.config
        dtype = jnp.dtype(sizes.dtype)
        self.stem = AudioStem(sizes.audio_stem, dtype) if sizes.audio_stem else None
        self.halve = [
            nn.Dense(width, dtype=dtype)
            if sizes.audio_stem and not i
            else nn.Conv(width, (4,), strides=(2,), padding="SAME", dtype=dtype)
            for i, width in enumerate(sizes.audio_widths)
        ]
        stage = convolution.ConvNeXtStack
        stage = nn.remat(stage) if sizes.remat else stage
        self.stages = [
            stage(
                convolution.ConvNeXtConfig(
                    width=width, kernel=sizes.kernel, dtype=sizes.dtype
                ),
                sizes.audio_blocks,
            )
            for width in sizes.audio_widths
        ]
        shape = sizes.audio_block
        self.stack = _stack(sizes, shape) if shape else None
        self.norm = nn.LayerNorm()
        self.head = nn.Dense(sizes.embedding)

    def __call__(self, mel: Float[Array, "b frames m"]) -> Float[Array, "b e"]:
        """Returns vectors of any length; the mean and spread over time decide."""
        x = (mel - self.config.mel_mean) / self.config.mel_deviation
        x = x.astype(self.config.dtype)
        x = self.stem(x) if self.stem else x
        for halve, stage in zip(self.halve, self.stages, strict=True):
            x = stage(halve(x))
        x = self.stack(x) if self.stack else x
        x = self.norm(x.astype(jnp.float32))
        spread = jnp.sqrt(jnp.var(x, axis=1) + 1e-6)
        return self.head(jnp.concatenate([jnp.mean(x, axis=1), spread], axis=-1))


class TextTower(nn.Module):
    """Word ids to a vector: a transformer, then attention pooling."""

    config: mulan_config.MulanConfig

    def setup(self) -> None:
        """Declares the parts."""
        sizes = self.config
        dtype = jnp.dtype(sizes.dtype)
        self.words = nn.Embed(sizes.vocabulary_size, sizes.text_width, dtype=dtype)
        self.stack = _stack(sizes, sizes.text_block)
        self.norm = nn.LayerNorm()
        self.weight = nn.Dense(1)
        self.head = nn.Dense(sizes.embedding)

    def __call__(self, text: Int[Array, "b w"]) -> Float[Array, "b e"]:
        """Returns vectors of any length; padding (0) changes nothing.

        A caption of padding alone counts as one padding word.
        """
        first = jnp.arange(text.shape[-1]) == 0
        present = (text > 0) | (first[None, :] & jnp.all(text == 0, axis=-1)[:, None])
        batch, words = text.shape
        mask = jnp.broadcast_to(present[:, None, :], (batch, words, words))
        x = self.stack(self.words(text), mask)
        x = self.norm(x.astype(jnp.float32))
        scores = jnp.where(present, self.weight(x)[..., 0], -1e9)
        pooled = jnp.einsum("bw,bwd->bd", jax.nn.softmax(scores, axis=-1), x)
        return self.head(pooled)


def _stack(
    sizes: mulan_config.MulanConfig, shape: block.BlockConfig
) -> block.TransformerStack:
    return block.TransformerStack(shape, scan=sizes.scan_layers, remat=sizes.remat)


class DualEncoder(nn.Module):
    """Both towers and the contrastive loss's temperature."""

    config: mulan_config.MulanConfig

    def setup(self) -> None:
        """Declares the towers."""
        self.audio = AudioTower(self.config)
        self.text = TextTower(self.config)
        self.log_scale = self.param(
            "log_scale", nn.initializers.constant(INITIAL_LOG_SCALE), ()
        )

    def embed_audio(self, mel: Float[Array, "b frames m"]) -> Float[Array, "b e"]:
        """Returns unit vectors of log-mel clips."""
        return normalization.unit(self.audio(mel))

    def embed_text(self, text: Int[Array, "b w"]) -> Float[Array, "b e"]:
        """Returns unit vectors of captions."""
        return normalization.unit(self.text(text))

    def __call__(
        self, mel: Float[Array, "b frames m"], text: Int[Array, "b w"]
    ) -> tuple[Float[Array, "b e"], Float[Array, "b e"], Float[Array, ""]]:
        """Returns both embeddings and the log of the inverse temperature, capped."""
        # CLIP's cap: above a hundred the loss becomes unstable.
        scale = jnp.minimum(self.log_scale, jnp.log(100.0))
        return self.embed_audio(mel), self.embed_text(text), scale


def init_params(config: mulan_config.MulanConfig, key: Key[Array, ""]) -> arrays.Tree:
    """Returns random parameters of `DualEncoder`."""
    frames = 2 ** len(config.audio_widths)
    mel = jnp.zeros((1, frames, config.num_mels))
    text = jnp.zeros((1, config.text_words), jnp.int32)
    return DualEncoder(config=config).init(key, mel, text)["params"]
