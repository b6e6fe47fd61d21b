"""Adds residual levels to a trained codec, and trains its decoder on.

A language model learns a codec's first levels. Encoder and these levels' codebooks stay
as they are here, so a clip keeps its coarse tokens; the new levels are for a fine stage
such as SoundStorm.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import arrays, errors
from musicrl_jax.models.codec import config as config_lib
from musicrl_jax.models.codec import network, objective
from musicrl_jax.nn import quantizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineLevelsObjective:
    """Reconstructs spectrograms through old and new levels.

    Parameters hold the `decoder`; statistics hold the fixed `encoder` and `kept`
    codebooks, and the new levels' `codebooks`. Batches hold `waveform` [b n].

    Attributes:
      config: of the codec with all its levels.
      loss_config: as for training from scratch; without bypass, for the encoder is
        fixed. Of a share `dropout` of the clips only the first `kept` to l levels are
        used.
      kept: levels that are there already.
    """

    config: config_lib.CodecConfig
    loss_config: config_lib.CodecLossConfig
    kept: int

    def __post_init__(self) -> None:
        if not 1 <= self.kept < self.config.levels:
            raise errors.InputError(
                "CodecConfig.levels must be more than the levels of the codec that is "
                f"extended; got {self.config.levels} over {self.kept}."
            )

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh arrays everywhere; `begin` puts the trained codec's in."""
        c = self.config
        scratch = objective.CodecObjective(config=c, loss_config=self.loss_config)
        params, _ = scratch.init(key)
        new = quantizer.init_statistics(
            c.levels - self.kept, c.codebook_size, c.code_width
        )
        kept = jnp.zeros((self.kept, c.codebook_size, c.code_width))
        encoder = params["encoder"]
        return {"decoder": params["decoder"]}, {
            "encoder": encoder,
            "kept": kept,
            "codebooks": new,
        }

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Mapping[str, Array],
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, dict[str, Float[Array, ""]]]]:
        """Returns the weighted sum of distances, the moved codebooks, and metrics."""
        c, weights = self.config, self.loss_config
        dropout_key, restart_key = jax.random.split(key)
        target = spectrogram.stft_magnitude(batch["waveform"], c.fft_size, c.hop)
        vectors = network.encode(c, statistics, objective.log_mel(target, c.mel()))
        clips, frames, width = vectors.shape
        used = quantizer.levels_used(
            dropout_key, (clips, frames), c.levels, weights.dropout, least=self.kept
        )
        books = statistics["codebooks"]
        entries = jnp.concatenate([statistics["kept"], books.entries])
        passed = quantizer.pass_through(entries, vectors.reshape(-1, width), used)
        estimate = network.decode(c, params, passed.vectors.reshape(vectors.shape))
        parts = objective.distances(c, weights, target, estimate)
        moved = quantizer.update(
            books,
            passed.quantized.above(self.kept),
            used[:, self.kept :],
            restart_key,
            decay=weights.codebook_decay,
            dead_below=weights.dead_below,
        )
        metrics = {f"loss/{name}": value for name, value in parts.items()}
        for level, value in enumerate(quantizer.perplexity(moved.counts), self.kept):
            metrics[f"perplexity/level_{level}"] = value
        moved_statistics = dict(statistics) | {"codebooks": moved}
        return sum(parts.values(), jnp.zeros(())), (moved_statistics, metrics)


def begin(
    params: arrays.Params, statistics: arrays.Params, trained: arrays.Params
) -> tuple[arrays.Params, arrays.Params]:
    """Returns parameters and statistics that go on from a trained codec's.

    Args:
      params: of `FineLevelsObjective.init`.
      statistics: the same.
      trained: the parameters of the codec to extend.

    Raises:
      InputError: where the codec's networks or codebooks have other shapes.
    """
    started = {"decoder": trained["decoder"]}
    fixed = dict(statistics) | {
        "encoder": trained["encoder"],
        "kept": trained["codebooks"],
    }
    for old, new in ((params, started), (statistics, fixed)):
        if jax.tree.map(jnp.shape, old) != jax.tree.map(jnp.shape, new):
            raise errors.InputError(
                "A codec is extended with its own sizes; those of CodecConfig differ. "
                "Set CodecConfig as the codec was trained, with more levels."
            )
    return started, fixed


def export_params(params: arrays.Params, statistics: arrays.Params) -> arrays.Params:
    """Returns what the extended codec needs of a training state."""
    entries = [statistics["kept"], statistics["codebooks"].entries]
    return dict(params) | {
        "encoder": statistics["encoder"],
        "codebooks": jnp.concatenate(entries),
    }
