"""The contrastive training of both towers (satisfies `pretraining.objective`)."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.mulan import losses, network


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What training changes at random, so that the towers do not learn clips by heart.

    Attributes:
      gain: largest shift of a clip's log-mel values.
      mel_bands: bands of the one stripe that is hidden in each clip.
      word_share: share of words that are left out.
    """

    gain: float = 0.5
    mel_bands: int = 16
    word_share: float = 0.1

    def __post_init__(self) -> None:
        if self.gain < 0 or self.mel_bands < 0 or not 0 <= self.word_share < 1:
            raise errors.InputError(
                "Augmentation needs gain and mel_bands of 0 or more and word_share in "
                f"[0, 1); got {self.gain}, {self.mel_bands}, {self.word_share}."
            )

    def mel(
        self, key: Key[Array, ""], mel: Float[Array, "b f m"], fill: float
    ) -> Float[Array, "b f m"]:
        """Returns clips louder or softer, with a stripe of bands set to `fill`."""
        louder, place = jax.random.split(key)
        batch, _, bands = mel.shape
        gain = jax.random.uniform(louder, (batch, 1, 1), minval=-1.0) * self.gain
        first = jax.random.randint(place, (batch, 1), 0, bands)
        band = jnp.arange(bands)[None, :]
        hidden = (band >= first) & (band < first + self.mel_bands)
        return jnp.where(hidden[:, None, :], fill, mel + gain)

    def text(self, key: Key[Array, ""], text: Int[Array, "b w"]) -> Int[Array, "b w"]:
        """Returns captions with words left out."""
        return jnp.where(
            jax.random.bernoulli(key, self.word_share, text.shape), 0, text
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MulanObjective:
    """Batches `{"mel": [b, frames, m], "text": [b, w]}`; row i's partner is row i."""

    config: mulan_config.MulanConfig
    augmentation: Augmentation = Augmentation()

    @property
    def couples_examples(self) -> bool:
        """True: each row is told apart from all others of its batch."""
        return True

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh parameters of both towers; no statistics."""
        return network.init_params(self.config, key), {}

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns the contrastive loss in nats; see `losses.contrastive_loss`."""
        for_mel, for_text = jax.random.split(key)
        # Half precision on the way here; the towers compute in the parameters' type.
        mel = batch["mel"].astype(jnp.float32)
        mel = self.augmentation.mel(for_mel, mel, self.config.mel_mean)
        text = self.augmentation.text(for_text, batch["text"])
        towers = network.DualEncoder(config=self.config).bind({"params": params})
        audio, words, log_scale = towers(mel, text)
        same = losses.same_caption(batch["text"])
        loss, found = losses.contrastive_loss(audio, words, log_scale, same)
        metrics = {f"recall/{name}": value for name, value in found.items()}
        return loss, (statistics, metrics | {"scale": jnp.exp(log_scale)})
