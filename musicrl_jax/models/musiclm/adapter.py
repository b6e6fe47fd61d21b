"""MusicLM as `core.protocols.Policy` and `ValueFunction`."""

import dataclasses
from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, errors, protocols
from musicrl_jax.core import layout as layouts
from musicrl_jax.core.struct import struct
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.models.musiclm import network, temporal


@struct
class FrameCache:
    """What the frame loop keeps.

    Attributes:
      past: keys and values of the frames so far.
      weights: parameters laid out for the loop's steps.
    """

    past: temporal.TemporalCache
    weights: network.StepWeights


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicLMPolicy:
    """A policy without parameters; see `core.protocols.Policy` for its methods."""

    config: configs.MusicLMConfig
    layout: layouts.TokenLayout

    @property
    def network(self) -> network.MusicLM:
        """The Linen module that the parameters belong to."""
        return network.MusicLM(self.config, self.layout)

    def init(self, key: Key[Array, ""]) -> arrays.Params:
        """Returns fresh parameters."""
        return self.network.init(key, *_one_frame(self.config, self.layout))["params"]

    def abstract_params(self) -> arrays.Params:
        """Returns the shapes and dtypes of the parameters."""
        return jax.eval_shape(self.init, jax.random.key(0))

    def frame_states(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
    ) -> Float[Array, "b f d"]:
        """Returns for each frame a state of the frames before it."""
        offset = jnp.zeros(tokens.shape[0], jnp.int32)
        return self._apply(
            params, shifted(tokens), conditioning, offset, method="states"
        )

    def token_logits(
        self,
        params: arrays.Params,
        states: Float[Array, "b f d"],
        tokens: Int[Array, "b f q"],
    ) -> Float[Array, "b f q v"]:
        """Returns float32 logits at temperature 1."""
        return self._apply(params, states, tokens, method="token_logits")

    def init_cache(
        self, params: arrays.Params, conditioning: Int[Array, "b k"], num_frames: int
    ) -> FrameCache:
        """Runs the conditioning; returns a cache for `num_frames` frames."""
        past = self._apply(params, conditioning, num_frames, method="prefill")
        return FrameCache(past=past, weights=self._apply(params, method="step_weights"))

    def step(
        self,
        params: arrays.Params,
        cache: FrameCache,
        previous: Int[Array, "b q"],
        choose: protocols.Choose,
    ) -> tuple[FrameCache, Int[Array, "b q"], Float[Array, "b q"]]:
        """Draws the next frame, token by token."""
        weights = cache.weights
        past, frame = self._apply(
            params, cache.past, previous, weights, method="begin_frame"
        )

        def draw(carry: arrays.Tree, position: arrays.Tree) -> arrays.Tree:
            frame, before = carry
            frame, logits = self._apply(
                params, frame, before, position, weights, method="next_logits"
            )
            token, log_prob = choose(logits, jnp.asarray(position))
            return (frame, token), (token, log_prob)

        none = jnp.zeros(previous.shape[0], jnp.int32)
        tokens, log_probs = self._over_positions(draw, (frame, none))
        return dataclasses.replace(cache, past=past), tokens.T, log_probs.T

    def _over_positions(
        self, draw: Callable[..., arrays.Tree], carry: arrays.Tree
    ) -> arrays.Tree:
        """Runs `draw` over a frame's positions: a compiled loop, or one by one."""
        count = self.layout.tokens_per_frame
        if self.config.scan_layers:
            return jax.lax.scan(draw, carry, jnp.arange(count))[1]
        drawn = []
        for position in range(count):
            carry, one = draw(carry, position)
            drawn.append(one)
        return jax.tree.map(lambda *each: jnp.stack(each), *drawn)

    def _apply(
        self, params: arrays.Params, *inputs: arrays.Tree, method: str
    ) -> arrays.Tree:
        return self.network.apply({"params": params}, *inputs, method=method)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicLMValue:
    """The baseline without parameters; see `core.protocols.ValueFunction`."""

    config: configs.MusicLMConfig
    layout: layouts.TokenLayout

    @property
    def network(self) -> network.Value:
        """The Linen module that the parameters belong to."""
        return network.Value(self.config, self.layout)

    def init(self, key: Key[Array, ""]) -> arrays.Params:
        """Returns fresh parameters, whose value is 0 everywhere."""
        return self.network.init(key, *_one_frame(self.config, self.layout))["params"]

    def values(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
    ) -> Float[Array, "b f q"]:
        """Returns V of the state before each token."""
        offset = jnp.zeros(tokens.shape[0], jnp.int32)
        values = self.network.apply(
            {"params": params}, tokens, shifted(tokens), conditioning, offset
        )
        return cast(Array, values)


def make_policy(
    config: configs.MusicLMConfig, layout: layouts.TokenLayout
) -> MusicLMPolicy:
    """Returns the policy of these sizes over this layout."""
    return MusicLMPolicy(config=config, layout=layout)


def make_value(
    config: configs.MusicLMConfig, layout: layouts.TokenLayout
) -> MusicLMValue:
    """Returns the value function with the same trunk."""
    return MusicLMValue(config=config, layout=layout)


def value_params_from(
    policy_params: arrays.Params, mean_reward: float
) -> dict[str, arrays.Params]:
    """Returns value parameters: the policy's trunk and a head that says `mean_reward`.

    The paper starts V from the pretrained policy (section 3.3). A head of zeros with
    the reference's mean reward as bias starts at the best constant baseline.

    Raises:
      InputError: where `policy_params` is not a tree of `MusicLMPolicy`.
    """
    if not {"temporal", "depth"} <= set(policy_params):
        raise errors.InputError(
            "Value parameters start from a MusicLM policy's tree with 'temporal' and "
            f"'depth'; got {sorted(policy_params)}. Pass the policy's parameters."
        )
    width = policy_params["heads"].shape[1]
    head = {
        "kernel": jnp.zeros((width, 1), jnp.float32),
        "bias": jnp.full((1,), mean_reward, jnp.float32),
    }
    # Copies, because learners donate the buffers of both trees.
    trunk = {name: policy_params[name] for name in ("temporal", "depth")}
    return jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), trunk) | {"head": head}


def centred_value(value_params: arrays.Params, mean_reward: float) -> arrays.Params:
    """Returns value parameters whose head says `mean_reward` until it has learnt."""
    bias = jnp.full_like(value_params["head"]["bias"], mean_reward)
    return dict(value_params) | {"head": dict(value_params["head"]) | {"bias": bias}}


def shifted(tokens: Int[Array, "b f q"]) -> Int[Array, "b f q"]:
    """Returns for each frame the tokens of the frame before; zeros for the first."""
    return jnp.pad(tokens[:, :-1], ((0, 0), (1, 0), (0, 0)))


def _one_frame(
    config: configs.MusicLMConfig, layout: layouts.TokenLayout
) -> tuple[Array, Array, Array, Array]:
    frame = jnp.zeros((1, 1, layout.tokens_per_frame), jnp.int32)
    conditioning = jnp.zeros((1, config.conditioning_tokens), jnp.int32)
    return frame, frame, conditioning, jnp.zeros(1, jnp.int32)
