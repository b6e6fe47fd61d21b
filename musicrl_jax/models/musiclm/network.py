"""The two transformers with a head: logits of the policy, values of the baseline."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, sharding
from musicrl_jax.core import layout as layouts
from musicrl_jax.core.struct import struct
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.models.musiclm import depth, losses, temporal


@struct
class StepWeights:
    """Parameters of both stacks and the heads, each in an array of its own.

    A step of the frame loop that takes them out of the stacked arrays copies them.
    Those of the depth transformer are None where a frame's positions are a loop: which
    of the heads it takes is then not known ahead.
    """

    temporal: tuple[arrays.Params, ...]
    depth: tuple[arrays.Params, ...] | None
    heads: tuple[Float[Array, "e v"], ...] | None


class MusicLM(nn.Module):
    """A distribution over the tokens of a clip."""

    config: configs.MusicLMConfig
    layout: layouts.TokenLayout

    def setup(self) -> None:
        """Declares both transformers and one head for each position."""
        self.temporal = temporal.Temporal(self.config, self.layout)
        self.depth = depth.Depth(self.config, self.layout)
        shape = (
            self.layout.tokens_per_frame,
            self.config.depth_width,
            self.layout.vocabulary_size,
        )
        self.heads = self.param("heads", nn.initializers.normal(stddev=0.02), shape)

    def __call__(
        self,
        tokens: Int[Array, "b f q"],
        previous: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
        offset: Int[Array, " b"],
    ) -> Float[Array, "b f q v"]:
        """Returns float32 logits of every token of a crop; see `Temporal.__call__`."""
        return self.token_logits(self.states(previous, conditioning, offset), tokens)

    def nats(
        self,
        tokens: Int[Array, "b f q"],
        previous: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
        offset: Int[Array, " b"],
    ) -> Float[Array, " q"]:
        """Returns the mean negative log-likelihood of each position of a crop.

        It is that of the logits of `__call__`, which are never all in memory here.
        """
        states = self.states(previous, conditioning, offset)
        features, heads = self._before_logits(states, tokens)
        return losses.cross_entropy(
            features.swapaxes(0, 1),
            heads,
            tokens.reshape(-1, tokens.shape[2]).T,
            jnp.asarray(self.layout.valid_entries()),
        )

    def states(
        self,
        previous: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
        offset: Int[Array, " b"],
    ) -> Float[Array, "b f d"]:
        """Returns a state of each frame."""
        return self.temporal(previous, conditioning, offset)

    def token_logits(
        self, states: Float[Array, "b f d"], tokens: Int[Array, "b f q"]
    ) -> Float[Array, "b f q v"]:
        """Returns float32 logits; those of position q see its tokens before q."""
        batch, frames, positions = tokens.shape
        features, heads = self._before_logits(states, tokens)
        # Positions lie outermost in memory: with clips there, XLA's CPU backend copies
        # all logits and takes three times as long for loss and gradient.
        logits = jnp.einsum("bqe,qev->qbv", features, heads)
        logits = logits.astype(jnp.float32).reshape(positions, batch, frames, -1)
        logits = sharding.constrain(logits, None, "clips", None, None)
        valid = jnp.asarray(self.layout.valid_entries())[:, None, None]
        return jnp.where(valid, logits, losses.IMPOSSIBLE).transpose(1, 2, 0, 3)

    def _before_logits(
        self, states: Float[Array, "b f d"], tokens: Int[Array, "b f q"]
    ) -> tuple[Float[Array, "n q e"], Float[Array, "q e v"]]:
        """Returns features of the tokens of all n frames, and the heads they meet."""
        flat = tokens.reshape(-1, tokens.shape[2])
        features = self.depth(states.reshape(len(flat), -1), flat)
        heads = self.heads.astype(features.dtype)
        return features, sharding.gathered(heads, None, "rows", None)

    def step_weights(self) -> StepWeights:
        """Returns what every step needs, for `begin_frame` and `next_logits`."""
        scan = self.config.scan_layers
        return StepWeights(
            temporal=self.temporal.stack.apart(),
            depth=None if scan else self.depth.stack.apart(),
            heads=None if scan else tuple(self.heads),
        )

    def prefill(
        self, conditioning: Int[Array, "b k"], num_frames: int
    ) -> temporal.TemporalCache:
        """Runs the conditioning."""
        return self.temporal.prefill(conditioning, num_frames)

    def begin_frame(
        self,
        cache: temporal.TemporalCache,
        previous: Int[Array, "b q"],
        weights: StepWeights | None = None,
    ) -> tuple[temporal.TemporalCache, depth.DepthCache]:
        """Runs the temporal transformer for the next frame."""
        layers = weights.temporal if weights else None
        cache, state = self.temporal.extend(cache, previous, layers)
        return cache, self.depth.begin(state)

    def next_logits(
        self,
        cache: depth.DepthCache,
        before: Int[Array, " b"],
        position: Int[Array, ""] | int,
        weights: StepWeights | None = None,
    ) -> tuple[depth.DepthCache, Float[Array, "b v"]]:
        """Returns float32 logits of token `position`; `before` is the one before it.

        With `weights` the position is a number, not an array.
        """
        if weights and weights.heads:
            layers, head = weights.depth, weights.heads[int(position)]
        else:
            layers = None
            head = jax.lax.dynamic_index_in_dim(self.heads, position, keepdims=False)
        position = jnp.asarray(position)
        cache, features = self.depth.extend(cache, before, position, layers)
        head = sharding.gathered(head.astype(features.dtype), "rows", None)
        logits = (features @ head).astype(jnp.float32)
        valid = jnp.asarray(self.layout.valid_entries())[position]
        return cache, jnp.where(valid[None], logits, losses.IMPOSSIBLE)


class Value(nn.Module):
    """The baseline: the policy's trunk with one number for each token."""

    config: configs.MusicLMConfig
    layout: layouts.TokenLayout

    def setup(self) -> None:
        """Declares both transformers and the head, which starts at zero."""
        self.temporal = temporal.Temporal(self.config, self.layout)
        self.depth = depth.Depth(self.config, self.layout)
        self.head = nn.Dense(1, kernel_init=nn.initializers.zeros)

    def __call__(
        self,
        tokens: Int[Array, "b f q"],
        previous: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
        offset: Int[Array, " b"],
    ) -> Float[Array, "b f q"]:
        """Returns V of the state before each token, float32."""
        batch, frames, positions = tokens.shape
        states = self.temporal(previous, conditioning, offset)
        features = self.depth(
            states.reshape(batch * frames, -1), tokens.reshape(batch * frames, -1)
        )
        values = self.head(features.astype(jnp.float32))
        return values.reshape(batch, frames, positions)
