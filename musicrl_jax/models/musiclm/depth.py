"""The depth transformer: the tokens of one frame, one after the other."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays
from musicrl_jax.core import layout as layouts
from musicrl_jax.core.struct import struct
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.nn import block, dense, embedding
from musicrl_jax.nn import cache as caches
from musicrl_jax.nn import config as nn_config


@struct
class DepthCache:
    """The frame's state, projected, and the keys and values of its tokens so far."""

    layers: tuple[caches.KeyValueCache, ...]
    state: Float[Array, "b d"]


class Depth(nn.Module):
    """Causal transformer over the q tokens of a frame.

    Position i sees the frame's state and the tokens before i; the input of position i
    is the state plus the embedding of token i - 1 plus a vector of its place.
    """

    config: configs.MusicLMConfig
    layout: layouts.TokenLayout

    def setup(self) -> None:
        """Declares tables and the stack."""
        config = self.config
        dtype = jnp.dtype(config.dtype)
        width, positions = config.depth_width, self.layout.tokens_per_frame
        self.tokens = embedding.TupleEmbedding(
            positions, self.layout.vocabulary_size, width, dtype
        )
        self.places = self.param(
            "places", nn.initializers.normal(stddev=0.1), (positions, width)
        )
        self.project = dense.Dense(width, dtype)
        self.stack = block.TransformerStack(
            config.depth_block, scan=config.scan_layers, remat=config.remat
        )
        self.norm = nn.RMSNorm(dtype=dtype)

    def __call__(
        self, states: Float[Array, "b d"], tokens: Int[Array, "b q"]
    ) -> Float[Array, "b q e"]:
        """Returns features of each token's distribution; b runs over frames."""
        embedded = self.tokens(tokens)
        before = jnp.pad(embedded[:, :-1], ((0, 0), (1, 0), (0, 0)))
        places = self.places.astype(before.dtype)
        x = self.project(states)[:, None] + before + places[None]
        count = tokens.shape[1]
        causal = jnp.tril(jnp.ones((count, count), bool))[None]
        return self.norm(self.stack(x, causal))

    def begin(self, state: Float[Array, "b d"]) -> DepthCache:
        """Returns the cache of a frame of which no token is drawn yet."""
        layers = self.stack.empty(state.shape[0], self.layout.tokens_per_frame)
        return DepthCache(layers=layers, state=self.project(state))

    def extend(
        self,
        cache: DepthCache,
        before: Int[Array, " b"],
        position: Int[Array, ""],
        layers: tuple[arrays.Params, ...] | None = None,
    ) -> tuple[DepthCache, Float[Array, "b e"]]:
        """Returns features of token `position`; `before` is token `position - 1`.

        See `TransformerStack.extend` for `layers`.
        """
        count = self.layout.tokens_per_frame
        embedded = self.tokens.one(before, jnp.maximum(position - 1, 0))
        here = jax.lax.dynamic_index_in_dim(self.places, position, keepdims=False)
        x = cache.state + here.astype(embedded.dtype)[None]
        x = x + jnp.where(position > 0, embedded, 0)
        place = nn_config.Place(
            position=position,
            slot=position,
            visible=caches.visible(position, 0, count),
        )
        x, memory = self.stack.extend(x[:, None], cache.layers, place, layers)
        return dataclasses.replace(cache, layers=memory), self.norm(x)[:, 0]
