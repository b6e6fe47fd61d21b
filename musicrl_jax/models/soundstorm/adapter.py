"""SoundStorm behind `core.protocols.FineStage`."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.models.soundstorm import config as configs
from musicrl_jax.models.soundstorm import decoding, masking, network


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoundStorm:
    """Coarse codes to all codes; holds no parameters.

    Attributes:
      config: sizes of the network.
      decoding: how levels are filled.
    """

    config: configs.SoundStormConfig
    decoding: configs.DecodingConfig = dataclasses.field(
        default_factory=configs.DecodingConfig
    )

    @property
    def coarse_levels(self) -> int:
        """Levels that `refine` is given."""
        return self.config.coarse_levels

    @property
    def levels(self) -> int:
        """Levels that `refine` returns."""
        return self.config.levels

    @property
    def passes(self) -> int:
        """Forward passes of `refine`, however long the clips are."""
        return sum(self.decoding.passes(self.config.fine_levels))

    def init(self, key: Key[Array, ""]) -> arrays.Params:
        """Returns fresh parameters."""
        return network.init_params(self.config, key)

    def abstract_params(self) -> arrays.Params:
        """Returns the shapes of the parameters, for reading them from a file."""
        return network.abstract_params(self.config)

    @functools.partial(jax.jit, static_argnames="self")
    def refine(
        self,
        params: arrays.Params,
        coarse: Int[Array, "b f c"],
        keys: Key[Array, " b"],
        semantic: Int[Array, "b f"] | None = None,
    ) -> Int[Array, "b f l"]:
        """Returns the codes of all levels; compiled once for each shape.

        Raises:
          InputError: for another number of coarse levels, or no semantic tokens where
            the network reads them.
        """
        if coarse.shape[-1] != self.coarse_levels:
            raise errors.InputError(
                f"SoundStorm was trained to continue {self.coarse_levels} levels; got "
                f"{coarse.shape[-1]}. Cut the codes to these levels."
            )
        if self.config.semantic_size and semantic is None:
            raise errors.InputError(
                f"This SoundStorm reads {self.config.semantic_size} semantic tokens; "
                "got none. Pass a token of each frame."
            )
        read = functools.partial(network.logits, self.config, params, semantic=semantic)
        passes = decoding.plan(self.config, self.decoding, coarse.shape[1])
        return decoding.refine(read, passes, coarse, keys, self.levels)

    @functools.partial(jax.jit, static_argnames="self")
    def teacher_logits(
        self,
        params: arrays.Params,
        codes: Int[Array, "b f l"],
        level: Int[Array, ""],
        semantic: Int[Array, "b f"] | None = None,
    ) -> Float[Array, "b f v"]:
        """Returns the logits of a fine level given the true levels below it alone."""
        levels = jnp.broadcast_to(level, codes.shape[:1])
        hidden = jnp.ones(codes.shape[:2], bool)
        known = masking.known_places(levels, hidden, codes.shape[-1])
        return network.logits(self.config, params, codes, known, levels, semantic)


def make_soundstorm(
    config: configs.SoundStormConfig, decoding: configs.DecodingConfig
) -> SoundStorm:
    """Returns the fine stage of these sizes."""
    return SoundStorm(config=config, decoding=decoding)
