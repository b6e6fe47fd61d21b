"""What the adversarial step needs to train SoundStream."""

import dataclasses
from collections.abc import Mapping

import jax
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays
from musicrl_jax.models.soundstream import config as config_lib
from musicrl_jax.models.soundstream import discriminators, losses, network
from musicrl_jax.nn import quantizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoundStreamObjective:
    """Reconstructs waveforms so that no discriminator tells them from recordings.

    Batches hold `waveform` [b n], whole frames; statistics hold `codebooks`.
    """

    config: config_lib.SoundStreamConfig
    loss_config: config_lib.SoundStreamLossConfig
    discriminators: config_lib.DiscriminatorConfig

    @property
    def weights(self) -> Mapping[str, float]:
        """The share of each loss in the gradient at the output."""
        c = self.loss_config
        return {
            "waveform": c.waveform_weight,
            "mel": c.mel_weight,
            "adversarial": c.adversarial_weight,
            "feature": c.feature_weight,
        }

    def init(
        self, key: Key[Array, ""]
    ) -> tuple[arrays.Params, arrays.Params, arrays.Params]:
        """Returns parameters of codec and discriminators, and empty codebooks."""
        c = self.config
        first, second = jax.random.split(key)
        judging = discriminators.init(self.discriminators, second)
        books = quantizer.init_statistics(c.levels, c.codebook_size, c.code_width)
        return network.init(c, first), judging, {"codebooks": books}

    def reconstruct(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[
        tuple[Float[Array, "b n"], Float[Array, ""]],
        tuple[arrays.Params, dict[str, Float[Array, ""]]],
    ]:
        """Returns (waveforms, weighted commitment), (moved codebooks, metrics)."""
        c, weights = self.config, self.loss_config
        start_key, dropout_key, restart_key = jax.random.split(key, 3)
        vectors, _ = network.encode(c, params, batch["waveform"])
        clips, frames, width = vectors.shape
        flat = vectors.reshape(-1, width)
        books = quantizer.start(
            statistics["codebooks"],
            jax.lax.stop_gradient(flat),
            start_key,
            weights.start_iterations,
        )
        used = quantizer.levels_used(
            dropout_key, (clips, frames), c.levels, weights.dropout
        )
        passed = quantizer.pass_through(books.entries, flat, used)
        waveform, _ = network.decode(c, params, passed.vectors.reshape(vectors.shape))
        moved = quantizer.update(
            books,
            passed.quantized,
            used,
            restart_key,
            decay=weights.codebook_decay,
            dead_below=weights.dead_below,
        )
        metrics = {"loss/commitment": passed.commitment}
        for level, value in enumerate(quantizer.perplexity(moved.counts)):
            metrics[f"perplexity/level_{level}"] = value
        penalty = weights.commitment_weight * passed.commitment
        return (waveform, penalty), ({"codebooks": moved}, metrics)

    def distances(
        self, output: Float[Array, "b n"], batch: Mapping[str, Array]
    ) -> dict[str, Float[Array, ""]]:
        """Returns how far the output is from the recordings."""
        target = batch["waveform"]
        windows = self.loss_config.mel_windows
        rate = self.config.sample_rate_hz
        return {
            "waveform": losses.waveform_distance(target, output),
            "mel": losses.mel_distance(target, output, rate, windows),
        }

    def judge(
        self,
        discriminator: arrays.Params,
        output: Float[Array, "b n"],
        batch: Mapping[str, Array],
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """Returns the discriminators' loss, and what they find in the output."""
        real = discriminators.judge(
            self.discriminators, discriminator, batch["waveform"]
        )
        fake = discriminators.judge(self.discriminators, discriminator, output)
        found = {
            "adversarial": losses.adversarial_hinge(fake),
            "feature": losses.feature_distance(real, fake),
        }
        return losses.discriminator_hinge(real, fake), found
