"""What the pretraining loop needs to train the codec."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import arrays
from musicrl_jax.models.codec import config as config_lib
from musicrl_jax.models.codec import losses, network
from musicrl_jax.nn import quantizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodecObjective:
    """Reconstructs STFT magnitudes and log-mel spectrograms at several resolutions.

    Batches hold `waveform` [b n]; statistics hold `codebooks`.
    """

    config: config_lib.CodecConfig
    loss_config: config_lib.CodecLossConfig

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh parameters of encoder and decoder, and empty codebooks."""
        c = self.config
        first, second = jax.random.split(key)
        log_mel = jnp.zeros((1, c.frames_per_code, c.num_mels))
        vectors = jnp.zeros((1, 1, c.code_width))
        params = {
            "encoder": network.Encoder(c).init(first, log_mel)["params"],
            "decoder": network.Decoder(c).init(second, vectors)["params"],
        }
        books = quantizer.init_statistics(c.levels, c.codebook_size, c.code_width)
        return params, {"codebooks": books}

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns the weighted sum of distances, the moved codebooks, and metrics."""
        c, weights = self.config, self.loss_config
        dropout_key, restart_key, bypass_key = jax.random.split(key, 3)
        target = spectrogram.stft_magnitude(batch["waveform"], c.fft_size, c.hop)
        vectors = network.encode(c, params, log_mel(target, c.mel()))
        books, levels = statistics["codebooks"], c.levels
        clips, frames, width = vectors.shape
        used = quantizer.levels_used(
            dropout_key, (clips, frames), levels, weights.dropout
        )
        passed = quantizer.pass_through(books.entries, vectors.reshape(-1, width), used)
        bypassed = jax.random.uniform(bypass_key, (clips, 1, 1)) < weights.bypass
        decoded = jnp.where(bypassed, vectors, passed.vectors.reshape(vectors.shape))
        estimate = network.decode(c, params, decoded)
        parts = distances(c, weights, target, estimate)
        parts["commitment"] = weights.commitment_weight * passed.commitment
        moved = quantizer.update(
            books,
            passed.quantized,
            used,
            restart_key,
            decay=weights.codebook_decay,
            dead_below=weights.dead_below,
        )
        metrics = {f"loss/{name}": value for name, value in parts.items()}
        for level, value in enumerate(quantizer.perplexity(moved.counts)):
            metrics[f"perplexity/level_{level}"] = value
        return sum(parts.values(), jnp.zeros(())), ({"codebooks": moved}, metrics)


def distances(
    config: config_lib.CodecConfig,
    weights: config_lib.CodecLossConfig,
    target: Float[Array, "b frames bins"],
    log_estimate: Float[Array, "b frames bins"],
) -> dict[str, Float[Array, ""]]:
    """Returns the weighted distances of magnitudes to what the decoder made of them."""
    floor = config.magnitude_floor
    log_target = jnp.log(target + floor)
    estimate = jnp.exp(log_estimate) - floor
    mels = [
        losses.log_magnitude_distance(
            log_mel(target, config.mel(bands)), log_mel(estimate, config.mel(bands))
        )
        for bands in weights.mel_bands
    ]
    return {
        "magnitude": weights.magnitude_weight
        * losses.log_magnitude_distance(log_target, log_estimate),
        "mel": weights.mel_weight * sum(mels, jnp.zeros(())) / max(len(mels), 1),
        "compressed": weights.compressed_weight
        * losses.compressed_distance(log_target, log_estimate),
    }


def log_mel(
    magnitude: Float[Array, "b frames bins"], config: spectrogram.MelConfig
) -> Float[Array, "b frames m"]:
    """Returns the log-mel spectrogram of STFT magnitudes."""
    bank = jnp.asarray(spectrogram.mel_filterbank(config), magnitude.dtype)
    return jnp.log(jnp.maximum(magnitude @ bank, config.floor))
