"""SoundStorm's network."""

from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int, Key

from musicrl_jax.core import arrays, sharding
from musicrl_jax.models.soundstorm import config as configs
from musicrl_jax.nn import conformer, embedding

Semantic = Int[Array, "b f"] | None


class SoundStorm(nn.Module):
    """What is known of each frame's codes -> a distribution over one level of them."""

    config: configs.SoundStormConfig

    def setup(self) -> None:
        """Declares tables, conformer and one head a fine level."""
        sizes = self.config
        dtype = jnp.dtype(sizes.dtype)
        small = nn.initializers.normal(stddev=0.1)
        self.codes = embedding.TupleEmbedding(
            sizes.levels, sizes.codebook_size, sizes.width, dtype
        )
        self.hidden = self.param("hidden", small, (sizes.levels, sizes.width))
        if sizes.semantic_size:
            self.semantic = embedding.TupleEmbedding(
                1, sizes.semantic_size, sizes.width, dtype
            )
        self.stack = conformer.ConformerStack(sizes.conformer)
        head = (sizes.fine_levels, sizes.width, sizes.codebook_size)
        self.heads = self.param("heads", nn.initializers.normal(stddev=0.02), head)
        self.bias = self.param("bias", nn.initializers.zeros_init(), head[::2])

    def __call__(
        self,
        codes: Int[Array, "b f l"],
        known: Bool[Array, "b f l"],
        level: Int[Array, " b"],
        semantic: Semantic = None,
    ) -> Float[Array, "b f v"]:
        """Returns float32 logits of the codes of `level`, a fine one, in each frame.

        Args:
          codes: ids; those not known are not looked at.
          known: which ids are given; the others leave their level's own vector.
          level: which level is asked for, by clip.
          semantic: a token of each frame, where the network reads them.
        """
        hidden = self.hidden.astype(self.config.dtype)[None, None]
        x = jnp.where(known[..., None], self.codes(codes), hidden).sum(axis=2)
        if semantic is not None and self.config.semantic_size:
            x = x + self.semantic(semantic[..., None])[:, :, 0]
        x = self.stack(x)
        fine = level - self.config.coarse_levels
        heads = sharding.gathered(self.heads.astype(x.dtype), None, "rows", None)
        logits = jnp.einsum("bfd,bdv->bfv", x, heads[fine])
        return logits.astype(jnp.float32) + self.bias[fine][:, None]


def logits(
    config: configs.SoundStormConfig,
    params: arrays.Params,
    codes: Int[Array, "b f l"],
    known: Bool[Array, "b f l"],
    level: Int[Array, " b"],
    semantic: Semantic = None,
) -> Float[Array, "b f v"]:
    """Applies the network; see `SoundStorm.__call__`."""
    variables = {"params": params}
    out = SoundStorm(config).apply(variables, codes, known, level, semantic)
    return cast(Array, out)


def init_params(config: configs.SoundStormConfig, key: Key[Array, ""]) -> arrays.Params:
    """Returns random parameters."""
    codes = jnp.zeros((1, 1, config.levels), jnp.int32)
    level = jnp.full((1,), config.coarse_levels)
    inputs = (codes, codes == 0, level, codes[..., 0])
    return SoundStorm(config).init(key, *inputs)["params"]


def abstract_params(config: configs.SoundStormConfig) -> arrays.Params:
    """Returns the shapes of the parameters, for reading them from a file."""
    return jax.eval_shape(lambda key: init_params(config, key), jax.random.key(0))
