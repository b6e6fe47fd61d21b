"""MusicLM's pretraining: next tokens of crops, given MuLan tokens."""

import dataclasses
from collections.abc import Mapping
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.core import layout as layouts
from musicrl_jax.models.musiclm import adapter
from musicrl_jax.models.musiclm import config as configs


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicLMObjective:
    """The mean cross-entropy over the tokens of a frame.

    A batch has `tokens` [b, f + 1, q], a crop and the frame before it (ignored where
    the crop begins its clip), `conditioning` [b, k] and `offset` [b], the number of the
    crop's first frame in its clip.

    What a clip was asked to be is soon plain from its own beginning, and a model that
    always reads real music forgets to look at the conditioning; when it then samples,
    it follows its own mistakes away from the caption. So half of the crops read a past
    in which some frames are another clip's, and only the conditioning tells whose
    music goes on. Targets are never disturbed.

    Attributes:
      config: sizes.
      layout: streams of the tokens.
      noise: the largest share of foreign frames in a crop's past; 0 for none.
      dropout: share of crops that read the null prefix in place of their conditioning
        (classifier-free guidance: Ho and Salimans, 2207.12598); 0 for none.
    """

    config: configs.MusicLMConfig
    layout: layouts.TokenLayout
    noise: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1 or (
            self.dropout and not self.config.null_conditioning
        ):
            raise errors.InputError(
                "Dropout of the conditioning must lie in [0, 1) and needs "
                f"MusicLMConfig.null_conditioning; got {self.dropout} and "
                f"{self.config.null_conditioning}. Set null_conditioning = True."
            )

    @property
    def policy(self) -> adapter.MusicLMPolicy:
        """What is trained."""
        return adapter.make_policy(self.config, self.layout)

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh parameters; there are no statistics."""
        return self.policy.init(key), {}

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Array]]]:
        """Returns the loss in nats a token; loss and perplexity of each position."""
        tokens = jnp.asarray(batch["tokens"], jnp.int32)
        conditioning = batch["conditioning"]
        if self.dropout:
            dropping = jax.random.fold_in(key, 1)
            conditioning = dropped(conditioning, dropping, self.dropout)
        nats = self.policy.network.apply(
            {"params": params},
            tokens[:, 1:],
            disturbed(tokens[:, :-1], key, self.noise),
            conditioning,
            batch["offset"],
            method="nats",
        )
        nats = cast(Array, nats)
        names = position_names(self.layout)
        metrics = {f"loss/{name}": nats[i] for i, name in enumerate(names)}
        metrics |= {f"perplexity/{x}": jnp.exp(nats[i]) for i, x in enumerate(names)}
        return nats.mean(), (statistics, metrics)


def dropped(
    conditioning: Int[Array, "b k"], key: Key[Array, ""], share: float
) -> Int[Array, "b k"]:
    """Returns the conditioning with a share of clips set to the null prefix."""
    missing = jax.random.bernoulli(key, share, conditioning.shape[:1])
    return jnp.where(missing[:, None], configs.NULL, conditioning)


def disturbed(
    previous: Int[Array, "b f q"], key: Key[Array, ""], most: float
) -> Int[Array, "b f q"]:
    """Replaces frames by the next clip's in half of the crops, up to a share `most`."""
    rate_key, frame_key = jax.random.split(key)
    batch, frames, _ = previous.shape
    spread = jax.random.uniform(rate_key, (batch, 1), minval=-1.0)
    foreign = jax.random.uniform(frame_key, (batch, frames)) < most * spread
    return jnp.where(foreign[..., None], jnp.roll(previous, 1, axis=0), previous)


def position_names(layout: layouts.TokenLayout) -> list[str]:
    """Returns a name for each of the q positions: `semantic`, `coarse_0`, ..."""
    names = []
    for stream in layout.streams:
        count = stream.tokens_per_frame
        several = count > 1
        names += [
            f"{stream.name}_{i}" if several else stream.name for i in range(count)
        ]
    return names
