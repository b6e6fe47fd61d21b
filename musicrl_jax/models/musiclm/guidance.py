"""Classifier-free guidance: a policy that leans towards its conditioning."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, errors, protocols
from musicrl_jax.core import layout as layouts
from musicrl_jax.models.musiclm import adapter
from musicrl_jax.models.musiclm import config as configs


@dataclasses.dataclass(frozen=True, kw_only=True)
class GuidedPolicy:
    """A `core.protocols.Policy` over the logits `null + scale * (given - null)`.

    Runs the trained policy twice, with the conditioning and with the null prefix (Ho
    and Salimans, 2207.12598), both in one batch of twice the clips. It is for listening
    and evaluation: fine-tuning needs the policy itself, whose reference and gradients
    are unguided.

    Attributes:
      policy: what was trained, with `null_conditioning`.
      scale: 1 is the policy itself, 0 ignores the conditioning, more exaggerates it.
    """

    policy: adapter.MusicLMPolicy
    scale: float

    def __post_init__(self) -> None:
        if not self.policy.config.null_conditioning:
            raise errors.InputError(
                "Guidance needs a policy that was trained with null_conditioning; this "
                "one was not. Use a guidance of 1.0."
            )
        if self.scale < 0:
            raise errors.InputError(
                f"Guidance must not be negative; got {self.scale}. Use 1.0 for none."
            )

    @property
    def layout(self) -> layouts.TokenLayout:
        """The token layout of the clips."""
        return self.policy.layout

    def frame_states(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
    ) -> Float[Array, "b f d"]:
        """Returns the state given the conditioning and that without, side by side."""
        states = self.policy.frame_states(
            params, jnp.concatenate([tokens, tokens]), with_null(conditioning)
        )
        return jnp.concatenate(jnp.split(states, 2), axis=-1)

    def token_logits(
        self,
        params: arrays.Params,
        states: Float[Array, "b f d"],
        tokens: Int[Array, "b f q"],
    ) -> Float[Array, "b f q v"]:
        """Returns guided float32 logits at temperature 1."""
        states = jnp.concatenate(jnp.split(states, 2, axis=-1))
        both = jnp.concatenate([tokens, tokens])
        return self.guide(self.policy.token_logits(params, states, both))

    def init_cache(
        self, params: arrays.Params, conditioning: Int[Array, "b k"], num_frames: int
    ) -> arrays.Tree:
        """Runs the conditioning and the null prefix."""
        return self.policy.init_cache(params, with_null(conditioning), num_frames)

    def step(
        self,
        params: arrays.Params,
        cache: arrays.Tree,
        previous: Int[Array, "b q"],
        choose: protocols.Choose,
    ) -> tuple[arrays.Tree, Int[Array, "b q"], Float[Array, "b q"]]:
        """Draws the next frame from the guided distribution."""

        def choose_for_both(
            logits: Float[Array, "c v"], position: Int[Array, ""]
        ) -> tuple[Int[Array, " c"], Float[Array, " c"]]:
            tokens, log_probs = choose(self.guide(logits), position)
            return jnp.tile(tokens, 2), jnp.tile(log_probs, 2)

        cache, tokens, log_probs = self.policy.step(
            params, cache, jnp.concatenate([previous, previous]), choose_for_both
        )
        clips = previous.shape[0]
        return cache, tokens[:clips], log_probs[:clips]

    def guide(self, logits: Float[Array, "c *n v"]) -> Float[Array, "b *n v"]:
        """Returns guided logits of clips whose given half comes first, in float32."""
        given, null = jnp.split(logits.astype(jnp.float32), 2)
        return null + self.scale * (given - null)


def guided(policy: adapter.MusicLMPolicy, scale: float) -> protocols.Policy:
    """Returns the policy under guidance; at a scale of 1 the policy itself.

    Raises:
      InputError: where the policy knows no null prefix, or for a negative scale.
    """
    return policy if scale == 1.0 else GuidedPolicy(policy=policy, scale=scale)


def with_null(conditioning: Int[Array, "b k"]) -> Int[Array, "c k"]:
    """Returns the clips' conditioning and, behind it, as many null prefixes."""
    return jnp.concatenate([conditioning, jnp.full_like(conditioning, configs.NULL)])
