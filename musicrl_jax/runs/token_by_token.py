"""A peer of SoundStorm for benchmarks: fine levels one token after the other."""

import dataclasses
import functools
import math
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.soundstorm import config as configs
from musicrl_jax.nn import block, embedding, reductions
from musicrl_jax.nn import cache as caches
from musicrl_jax.nn import config as nn_config

_MLP_RATIO = 4.0
_PER_BLOCK = 4 + 2 * _MLP_RATIO
"""Parameters of a transformer block over its squared width (projections and MLP)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenByToken:
    """A causal transformer over the fine tokens of all frames, with a cache.

    A token's input is the one before it, its frame's coarse codes and its level, as in
    AudioLM's fine stage (Borsos et al. 2022).

    Attributes:
      sizes: of the SoundStorm that it stands beside.
      layers: blocks as wide as SoundStorm's.
      window: tokens that attention sees.
    """

    sizes: configs.SoundStormConfig
    layers: int
    window: int

    @property
    def _stack(self) -> block.TransformerStack:
        sizes = self.sizes
        return block.TransformerStack(
            nn_config.BlockConfig(
                width=sizes.width,
                heads=sizes.heads,
                mlp_ratio=_MLP_RATIO,
                dtype=sizes.dtype,
                layers=self.layers,
            )
        )

    @property
    def _tables(self) -> embedding.TupleEmbedding:
        sizes = self.sizes
        dtype = jnp.dtype(sizes.dtype)
        return embedding.TupleEmbedding(
            sizes.levels, sizes.codebook_size, sizes.width, dtype
        )

    def init(self, key: Key[Array, ""]) -> arrays.Params:
        """Returns random parameters."""
        sizes = self.sizes
        first, second, third, fourth = jax.random.split(key, 4)
        sample = jnp.zeros((1, 1, sizes.width), sizes.dtype)
        codes = jnp.zeros((1, sizes.levels), jnp.int32)
        head = (sizes.fine_levels, sizes.width, sizes.codebook_size)
        places = (sizes.fine_levels, sizes.width)
        return {
            "stack": self._stack.init(first, sample)["params"],
            "codes": self._tables.init(second, codes)["params"],
            "heads": 0.02 * jax.random.normal(third, head),
            "places": 0.1 * jax.random.normal(fourth, places),
        }

    @functools.partial(jax.jit, static_argnames="self")
    def refine(
        self, params: arrays.Params, coarse: Int[Array, "b f c"], keys: Key[Array, " b"]
    ) -> Int[Array, "b f l"]:
        """Draws the fine tokens of clips, one a step: `f` times the fine levels."""
        sizes = self.sizes
        clips, frames, given = coarse.shape
        fine = sizes.fine_levels
        table = params["codes"]["table"].astype(sizes.dtype)
        rows = [table[i][coarse[..., i]] for i in range(given)]
        context = jnp.sum(jnp.stack(rows), axis=0)
        places = params["places"].astype(sizes.dtype)
        heads = params["heads"].astype(sizes.dtype)
        stack = {"params": params["stack"]}
        layers = self._stack.apply(stack, method="apart")

        def draw(carry: arrays.Tree, number: Int[Array, ""]) -> arrays.Tree:
            cache, before = carry
            frame, level = number // fine, number % fine
            # The token before is of the level below, or of the highest one.
            x = table[given + (level - 1) % fine][before] + context[:, frame]
            x = (x + places[level][None])[:, None]
            x, cache = self._extend(stack, x, cache, number, layers)
            logits = (x[:, 0] @ heads[level]).astype(jnp.float32)
            fold = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
            noise = jax.vmap(lambda key: jax.random.gumbel(key, logits.shape[1:]))
            token = reductions.largest(logits + noise(fold))
            return (cache, token), token

        cache = self._stack.apply(stack, clips, self.window, method="empty")
        first = (cache, jnp.zeros(clips, jnp.int32))
        _, tokens = jax.lax.scan(draw, first, jnp.arange(frames * fine))
        drawn = tokens.T.reshape(clips, frames, fine)
        return jnp.concatenate([coarse, drawn], axis=-1)

    def _extend(
        self,
        stack: arrays.Params,
        x: arrays.Tree,
        cache: arrays.Tree,
        number: Int[Array, ""],
        layers: arrays.Tree,
    ) -> tuple[Array, arrays.Tree]:
        place = nn_config.Place(
            position=number,
            slot=caches.ring_slot(number, 0, self.window),
            visible=caches.visible(number, 0, self.window),
        )
        out = self._stack.apply(stack, x, cache, place, layers, method="extend")
        return cast(tuple[Array, arrays.Tree], out)


def beside(
    sizes: configs.SoundStormConfig, parameters: int, window: int
) -> TokenByToken:
    """Returns the peer whose number of parameters is nearest to `parameters`."""
    one = TokenByToken(sizes=sizes, layers=1, window=window)
    block_size = _PER_BLOCK * sizes.width**2
    others = count(jax.eval_shape(one.init, jax.random.key(0))) - block_size
    layers = max(1, round((parameters - others) / block_size))
    return dataclasses.replace(one, layers=layers)


def count(params: arrays.Tree) -> int:
    """Returns the number of parameters of a tree of arrays or shapes."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
