"""The preference model's network."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from musicrl_jax.core import layout as layouts
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as trunk_config
from musicrl_jax.models.musiclm import depth, temporal
from musicrl_jax.models.preference import config as configs

GAIN = 10.0
"""How much faster heads learn than the trunk."""


class Preference(nn.Module):
    """MusicLM's trunk over a whole clip, pooled over its frames, and the heads.

    Heads read the mean and the spread over frames of the trunk's features and not the
    last frame's: attention reaches back `window_frames`, so that the last state has
    not heard how a long clip began, and how much a clip varies is part of what is
    liked. Scores are 0 everywhere before training.
    """

    config: configs.PreferenceConfig
    trunk: trunk_config.MusicLMConfig
    layout: layouts.TokenLayout

    def setup(self) -> None:
        """Declares the trunk under the names that MusicLM has, and the heads."""
        self.temporal = temporal.Temporal(self.trunk, self.layout)
        self.depth = depth.Depth(self.trunk, self.layout)
        self.norm = nn.LayerNorm()
        self.leave_out = nn.Dropout(self.config.dropout)
        self.heads = Heads(self.config.heads, self.config.hidden)

    def __call__(
        self,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
        *,
        training: bool = False,
    ) -> Float[Array, "b heads"]:
        """Returns each head's score of clips, float32.

        Args:
          tokens: whole clips, or crops that are taken as such.
          conditioning: MuLan tokens of the captions.
          training: whether features are left out; needs a key for "dropout".
        """
        batch, frames, _ = tokens.shape
        prefix = conditioning if self.config.use_text else self._no_text(conditioning)
        begin = jnp.zeros(batch, jnp.int32)
        states = self.temporal(musiclm.shifted(tokens), prefix, begin)
        features = self.depth(
            states.reshape(batch * frames, -1), tokens.reshape(batch * frames, -1)
        )
        heard = pooled(states, features.reshape(batch, frames, -1))
        heard = self.leave_out(self.norm(heard), deterministic=not training)
        return self.heads(heard)

    def _no_text(self, conditioning: Int[Array, "b k"]) -> Int[Array, "b k"]:
        """Returns one and the same prefix for every clip."""
        nothing = trunk_config.NULL if self.trunk.null_conditioning else 0
        return jnp.full_like(conditioning, nothing)


def pooled(*features: Float[Array, "b f _"]) -> Float[Array, "b _"]:
    """Returns mean and standard deviation over frames, float32, side by side."""
    parts = []
    for one in features:
        wide = one.astype(jnp.float32)
        # The square root of a variance of 0 has no gradient.
        spread = jnp.sqrt(jnp.var(wide, axis=1) + 1e-6)
        parts += [jnp.mean(wide, axis=1), spread]
    return jnp.concatenate(parts, axis=-1)


class Heads(nn.Module):
    """k small networks side by side, which differ by where they begin.

    Each is a linear function of the features plus one hidden layer. What comes out is
    multiplied by `GAIN`: under Adam, which moves every parameter by about the learning
    rate, heads then learn that much faster than the trunk, which is trained already.
    """

    heads: int
    hidden: int

    @nn.compact
    def __call__(self, x: Float[Array, "b d"]) -> Float[Array, "b heads"]:
        """Returns a score of each head."""
        width = x.shape[-1]
        begin = nn.initializers.lecun_normal(batch_axis=0)
        zeros = nn.initializers.zeros
        inner = self.param("inner", begin, (self.heads, width, self.hidden))
        bias = self.param("bias", zeros, (self.heads, self.hidden))
        outer = self.param("outer", zeros, (self.heads, self.hidden))
        linear = self.param("linear", zeros, (self.heads, width))
        hidden = jax.nn.gelu(jnp.einsum("bd,kde->bke", x, inner) + bias[None])
        bent = jnp.einsum("bke,ke->bk", hidden, outer)
        return GAIN * (bent + jnp.einsum("bd,kd->bk", x, linear))
