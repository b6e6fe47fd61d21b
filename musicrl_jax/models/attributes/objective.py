"""How the classifier is trained (satisfies `pretraining.objective`)."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.models.attributes import config as attributes_config
from musicrl_jax.models.attributes import losses, network


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttributesObjective:
    """Batches `{"mel": [b, frames, m], "labels": [b, heads]}`; label -1 is unknown.

    The spectrogram is disturbed, so that the judge hears music and not a renderer or a
    codec: a random tilt over the bands, noise, and stripes of bands and of time that
    are flattened.

    Attributes:
      config: the network's sizes.
      tilt: largest slope, in natural-log units between the lowest and highest band.
      noise: deviation of noise added to each value of the spectrogram.
      hidden: largest share of bands, and of frames, in the stripes.
      smoothing: of the labels.
    """

    config: attributes_config.AttributesConfig
    tilt: float = 1.5
    noise: float = 0.3
    hidden: float = 0.15
    smoothing: float = 0.05

    def __post_init__(self) -> None:
        shares = (self.hidden, self.smoothing)
        if min(self.tilt, self.noise) < 0 or not all(0 <= x < 1 for x in shares):
            raise errors.InputError(
                "AttributesObjective needs tilt and noise of 0 or more, and hidden and "
                f"smoothing in [0, 1); got {self.tilt}, {self.noise}, {shares}."
            )

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh parameters; no statistics."""
        return network.init_params(self.config, key), {}

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns the cross-entropy in nats, averaged over attributes."""
        for_mel, for_dropout = jax.random.split(key)
        mel = self.disturbed(for_mel, batch["mel"].astype(jnp.float32))
        logits = network.logits(self.config, params, mel, for_dropout)
        total, metrics = jnp.zeros(()), {}
        for index, head in enumerate(self.config.heads):
            entropy, accuracy = losses.masked_cross_entropy(
                logits[head.name], batch["labels"][:, index], smoothing=self.smoothing
            )
            total += entropy / len(self.config.heads)
            metrics[f"accuracy/{head.name}"] = accuracy
        return total, (statistics, metrics)

    def disturbed(
        self, key: Key[Array, ""], mel: Float[Array, "b frames m"]
    ) -> Float[Array, "b frames m"]:
        """Returns spectrograms with tilt, noise and flattened stripes."""
        keys = jax.random.split(key, 4)
        clips, frames, bands = mel.shape
        slope = jax.random.uniform(keys[0], (clips, 1, 1), minval=-1.0) * self.tilt
        mel = mel + slope * jnp.linspace(-0.5, 0.5, bands)[None, None, :]
        mel = mel + self.noise * jax.random.normal(keys[1], mel.shape)
        mean = jnp.mean(mel, axis=(1, 2), keepdims=True)
        hide_bands = self._stripe(keys[2], clips, bands)[:, None, :]
        hide_frames = self._stripe(keys[3], clips, frames)[:, :, None]
        return jnp.where(hide_bands | hide_frames, mean, mel)

    def _stripe(self, key: Key[Array, ""], clips: int, size: int) -> Array:
        """Returns for each clip a run of True somewhere in `size` places."""
        for_start, for_length = jax.random.split(key)
        start = jax.random.randint(for_start, (clips, 1), 0, size)
        longest = int(self.hidden * size) + 1
        length = jax.random.randint(for_length, (clips, 1), 0, longest)
        place = jnp.arange(size)[None, :]
        return (place >= start) & (place < start + length)
