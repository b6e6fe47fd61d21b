"""The spectral codec behind `core.protocols.Codec`."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from musicrl_jax.audio import inversion, spectrogram
from musicrl_jax.core import arrays, errors
from musicrl_jax.models.codec import config as config_lib
from musicrl_jax.models.codec import network, objective
from musicrl_jax.nn import quantizer


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectralCodec:
    """Waveform to codes and back; parameters as `export_params` makes them."""

    config: config_lib.CodecConfig

    @property
    def sample_rate_hz(self) -> int:
        """Samples in a second."""
        return self.config.sample_rate_hz

    @property
    def samples_per_frame(self) -> int:
        """Samples that one step of codes stands for."""
        return self.config.samples_per_frame

    @functools.partial(jax.jit, static_argnames="self")
    def encode(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Int[Array, "b f l"]:
        """Returns codes; n must be a multiple of `samples_per_frame`."""
        c = self.config
        if waveform.shape[-1] % self.samples_per_frame:
            raise errors.InputError(
                f"The codec takes multiples of {self.samples_per_frame} samples; got "
                f"{waveform.shape[-1]}. Cut or pad the waveform."
            )
        log_mel = spectrogram.log_mel(waveform, c.mel())
        vectors = network.encode(c, params, log_mel)
        flat = vectors.reshape(-1, c.code_width)
        codes = quantizer.quantize(params["codebooks"], flat).codes
        return codes.reshape(*vectors.shape[:2], c.levels).astype(jnp.int32)

    @functools.partial(jax.jit, static_argnames="self")
    def decode(
        self, params: arrays.Params, codes: Int[Array, "b f l"]
    ) -> Float[Array, "b n"]:
        """Returns the waveform of codes with any number of levels, low to high."""
        c = self.config
        waveform = inversion.griffin_lim(
            self.magnitudes(params, codes), c.fft_size, c.hop, c.refine_iterations
        )
        return jnp.clip(waveform, -1.0, 1.0)

    @functools.partial(jax.jit, static_argnames="self")
    def magnitudes(
        self, params: arrays.Params, codes: Int[Array, "b f l"]
    ) -> Float[Array, "b frames bins"]:
        """Returns the STFT magnitudes of codes, before phases are found."""
        c = self.config
        vectors = quantizer.dequantize(params["codebooks"], codes)
        log = network.decode(c, params, vectors)
        return jnp.exp(log) - c.magnitude_floor


def make_codec(config: config_lib.CodecConfig) -> SpectralCodec:
    """Returns the codec of `config`."""
    return SpectralCodec(config=config)


def export_params(params: arrays.Params, statistics: arrays.Params) -> arrays.Params:
    """Returns what the codec needs of a training state: networks and entries."""
    return dict(params) | {"codebooks": statistics["codebooks"].entries}


def abstract_params(config: config_lib.CodecConfig) -> arrays.Params:
    """Returns the tree of shapes and dtypes that `load_weights` expects."""
    trainer = objective.CodecObjective(
        config=config, loss_config=config_lib.CodecLossConfig()
    )
    params, statistics = jax.eval_shape(trainer.init, jax.random.key(0))
    return export_params(params, statistics)
