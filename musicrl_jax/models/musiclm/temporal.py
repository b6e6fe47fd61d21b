"""The temporal transformer: conditioning and the frames before -> a state per frame."""

import dataclasses

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from musicrl_jax.core import arrays
from musicrl_jax.core import layout as layouts
from musicrl_jax.core.struct import struct
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.nn import attention_kernels, block, dense, embedding
from musicrl_jax.nn import cache as caches
from musicrl_jax.nn import config as nn_config


@struct
class TemporalCache:
    """What a step needs of the past.

    Attributes:
      layers: keys and values of each layer: the conditioning, then a ring of frames.
      summary: the conditioning as one vector, added to every frame.
      frame: the number of the next frame.
    """

    layers: tuple[caches.KeyValueCache, ...]
    summary: Float[Array, "b d"]
    frame: Int[Array, ""]


class Temporal(nn.Module):
    """Causal transformer over frames behind a prefix of conditioning tokens.

    A frame's input is the sum of the embeddings of the tokens of the frame before (a
    learned start vector at the clip's first) and of the conditioning, so that what was
    asked for stays in reach of every frame however long the clip is.
    """

    config: configs.MusicLMConfig
    layout: layouts.TokenLayout

    def setup(self) -> None:
        """Declares tables, the stack and the projection of the conditioning."""
        config = self.config
        dtype = jnp.dtype(config.dtype)
        self.frames = embedding.TupleEmbedding(
            self.layout.tokens_per_frame,
            self.layout.vocabulary_size,
            config.width,
            dtype,
        )
        self.conditioning = embedding.TupleEmbedding(
            config.conditioning_tokens, config.conditioning_size, config.width, dtype
        )
        if config.null_conditioning:
            self.null = self.param(
                "null",
                nn.initializers.normal(stddev=0.1),
                (config.conditioning_tokens, config.width),
            )
        self.start = self.param(
            "start", nn.initializers.normal(stddev=0.1), (config.width,)
        )
        self.summarise = dense.Dense(config.width, dtype)
        self.condition_state = dense.Dense(config.width, dtype)
        self.stack = block.TransformerStack(
            config.temporal_block, scan=config.scan_layers, remat=config.remat
        )
        self.norm = nn.RMSNorm(dtype=dtype)

    def __call__(
        self,
        previous: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
        offset: Int[Array, " b"],
    ) -> Float[Array, "b f d"]:
        """Returns a state of each frame, which sees the frames before it.

        Args:
          previous: for each frame the tokens of the frame before; ignored at the
            clip's first frame.
          conditioning: MuLan tokens.
          offset: the number of the first frame in its clip (0 for whole clips).
        """
        prefix, summary = self.condition(conditioning)
        frames = previous.shape[1]
        number = offset[:, None] + jnp.arange(frames)[None]
        x = self.embed(previous, number == 0) + summary[:, None]
        places = prefix.shape[1]
        mask = attention_kernels.PrefixWindow(
            prefix=places, steps=frames, window=self.config.window_frames
        )
        before = jnp.broadcast_to(jnp.arange(places)[None], (x.shape[0], places))
        positions = jnp.concatenate([before, places + number], axis=1)
        out = self.stack(jnp.concatenate([prefix, x], axis=1), mask, positions)
        return self.finish(out[:, places:], summary)

    def condition(
        self, conditioning: Int[Array, "b k"]
    ) -> tuple[Float[Array, "b k d"], Float[Array, "b d"]]:
        """Returns the prefix and its summary; -1 stands for no conditioning."""
        prefix = self.conditioning(conditioning)
        if self.config.null_conditioning:
            null = self.null.astype(prefix.dtype)[None]
            prefix = jnp.where(conditioning[..., None] < 0, null, prefix)
        return prefix, self.summarise(prefix.sum(axis=1))

    def embed(
        self, previous: Int[Array, "b f q"], first: Bool[Array, "b f"]
    ) -> Float[Array, "b f d"]:
        """Returns the sum of a frame's embeddings, or the start vector."""
        start = self.start.astype(self.config.dtype)[None, None]
        return jnp.where(first[..., None], start, self.frames(previous).sum(axis=2))

    def finish(
        self, x: Float[Array, "b f d"], summary: Float[Array, "b d"]
    ) -> Float[Array, "b f d"]:
        """Returns the normed state plus the conditioning, for the depth transformer."""
        return self.norm(x) + self.condition_state(summary)[:, None]

    def prefill(
        self, conditioning: Int[Array, "b k"], num_frames: int
    ) -> TemporalCache:
        """Runs the conditioning; returns a cache for clips of `num_frames`."""
        prefix, summary = self.condition(conditioning)
        ring = min(self.config.window_frames, num_frames)
        layers = self.stack.prefill(prefix, None, ring)
        return TemporalCache(
            layers=layers, summary=summary, frame=jnp.zeros((), jnp.int32)
        )

    def extend(
        self,
        cache: TemporalCache,
        previous: Int[Array, "b q"],
        layers: tuple[arrays.Params, ...] | None = None,
    ) -> tuple[TemporalCache, Float[Array, "b d"]]:
        """Returns the state of the next frame; see `TransformerStack.extend`."""
        frame, places = cache.frame, self.config.conditioning_tokens
        ring = cache.layers[0].keys.shape[2] - places
        place = nn_config.Place(
            position=places + frame,
            slot=caches.ring_slot(frame, places, ring),
            visible=caches.visible(frame, places, ring),
        )
        first = jnp.broadcast_to(frame == 0, (previous.shape[0], 1))
        x = self.embed(previous[:, None], first) + cache.summary[:, None]
        x, memory = self.stack.extend(x, cache.layers, place, layers)
        state = self.finish(x, cache.summary)[:, 0]
        return dataclasses.replace(cache, layers=memory, frame=frame + 1), state
