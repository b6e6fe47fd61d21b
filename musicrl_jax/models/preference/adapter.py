"""The trained model: captions' MuLan tokens and audio tokens to scores."""

import dataclasses
import functools
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.core import layout as layouts
from musicrl_jax.models.musiclm import config as trunk_config
from musicrl_jax.models.preference import config as configs
from musicrl_jax.models.preference import losses, network


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreferenceModel:
    """Scores clips so that differences are log-odds of being preferred.

    Attributes:
      config: of the heads.
      trunk: sizes of the transformers.
      layout: streams of the tokens.
    """

    config: configs.PreferenceConfig
    trunk: trunk_config.MusicLMConfig
    layout: layouts.TokenLayout

    @property
    def frame_rate_hz(self) -> float:
        """Frames in a second of the clips."""
        return self.layout.frame_rate_hz

    @property
    def clip_seconds(self) -> float:
        """Length of the clips that it was trained on."""
        return self.config.clip_seconds

    @property
    def simulated(self) -> bool:
        """Whether it was trained on simulated users."""
        return self.config.simulated_users

    @property
    def network(self) -> network.Preference:
        """The Linen module that the parameters belong to."""
        return network.Preference(self.config, self.trunk, self.layout)

    def init(self, key: Key[Array, ""]) -> arrays.Params:
        """Returns fresh parameters, whose score is 0 everywhere."""
        frame = jnp.zeros((1, 1, self.layout.tokens_per_frame), jnp.int32)
        conditioning = jnp.zeros((1, self.trunk.conditioning_tokens), jnp.int32)
        return self.network.init(key, frame, conditioning)["params"]

    def abstract_params(self) -> arrays.Params:
        """Returns the shapes of the parameters, for reading them from a file."""
        return jax.eval_shape(self.init, jax.random.key(0))

    def head_scores(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
        dropout: Key[Array, ""] | None = None,
    ) -> Float[Array, "b heads"]:
        """Returns the score of each head; a key leaves features out, as in training.

        Raises:
          InputError: for tokens of another layout, or other conditioning.
        """
        wanted = [self.layout.tokens_per_frame, self.trunk.conditioning_tokens]
        found = [tokens.shape[2], conditioning.shape[1]]
        if found != wanted:
            raise errors.InputError(
                "The preference model reads tokens of a frame and conditioning tokens "
                f"of {wanted}; got {found}. Use the networks it was trained with."
            )
        scores = self.network.apply(
            {"params": params},
            tokens,
            conditioning,
            training=dropout is not None,
            rngs=None if dropout is None else {"dropout": dropout},
        )
        return cast(Array, scores)

    @functools.partial(jax.jit, static_argnames="self")
    def score(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
    ) -> Float[Array, " b"]:
        """Returns one score a clip; see `PreferenceConfig` for several heads."""
        scores = self.head_scores(params, tokens, conditioning)
        return losses.combined(scores, self.config)


def make_model(
    config: configs.PreferenceConfig,
    trunk: trunk_config.MusicLMConfig,
    layout: layouts.TokenLayout,
) -> PreferenceModel:
    """Returns the model of these heads on a trunk of these sizes."""
    return PreferenceModel(config=config, trunk=trunk, layout=layout)
