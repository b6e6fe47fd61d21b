"""How SoundStorm is trained (satisfies `pretraining.objective`)."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.models.soundstorm import config as configs
from musicrl_jax.models.soundstorm import losses, masking, network


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoundStormObjective:
    """Cross-entropy of one level's hidden frames, levels below given, none above.

    Batches hold `codes` [b, f, l], and `semantic` [b, f] for a network that reads it.

    Attributes:
      config: sizes.
      level_decay: how likely a fine level is drawn over the one below it. Lower levels
        are heard more; 1 draws all alike, as the paper does (section 3.2).
    """

    config: configs.SoundStormConfig
    level_decay: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.level_decay <= 1:
            raise errors.InputError(
                "SoundStormObjective.level_decay must lie in (0, 1]; got "
                f"{self.level_decay}. Use 1 to draw all levels alike."
            )

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh parameters; there are no statistics."""
        return network.init_params(self.config, key), {}

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns nats a hidden frame."""
        sizes = self.config
        codes = jnp.asarray(batch["codes"], jnp.int32)
        clips, frames, levels = codes.shape
        level_key, place_key = jax.random.split(key)
        level = masking.draw_levels(
            level_key, clips, sizes.coarse_levels, levels, self.level_decay
        )
        masked = masking.draw_masked(place_key, clips, frames)
        known = masking.known_places(level, masked, levels)
        semantic = batch.get("semantic")
        if semantic is not None:
            semantic = jnp.asarray(semantic, jnp.int32)
        logits = network.logits(sizes, params, codes, known, level, semantic)
        wanted = jnp.take_along_axis(codes, level[:, None, None], axis=-1)[..., 0]
        nats, accuracy = losses.masked_cross_entropy(logits, wanted, masked)
        metrics = {"loss/nats": nats, "accuracy": accuracy}
        return nats, (statistics, metrics)
