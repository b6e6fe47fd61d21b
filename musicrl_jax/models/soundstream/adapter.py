"""SoundStream behind `core.protocols.Codec`, and in pieces."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, errors
from musicrl_jax.core.struct import struct
from musicrl_jax.models.soundstream import config as config_lib
from musicrl_jax.models.soundstream import network
from musicrl_jax.nn import causal, quantizer


@struct
class StreamState:
    """What the codec remembers between pieces of a stream.

    Attributes:
      encoder: of the samples heard.
      decoder: of the codes decoded.
    """

    encoder: causal.Memory
    decoder: causal.Memory


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoundStream:
    """Waveform to codes and back; parameters as `export_params` makes them."""

    config: config_lib.SoundStreamConfig

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
        self._check_whole(waveform)
        frame = self.samples_per_frame
        pieces = waveform.reshape(waveform.shape[0], -1, frame)

        def piece(
            memory: causal.Memory, part: Float[Array, "b f frame"]
        ) -> tuple[causal.Memory, Int[Array, "b f l"]]:
            samples = part.reshape(part.shape[0], -1)
            codes, after = self._encode_piece(params, samples, memory)
            return after, codes

        memory = self.init_stream(waveform.shape[0]).encoder
        return self._in_pieces(piece, memory, pieces)

    @functools.partial(jax.jit, static_argnames="self")
    def decode(
        self, params: arrays.Params, codes: Int[Array, "b f l"]
    ) -> Float[Array, "b n"]:
        """Returns the waveform of codes with any number of levels, low to high."""
        return self.synthesize(params, self.vectors(params, codes))

    @functools.partial(jax.jit, static_argnames="self")
    def vectors(
        self, params: arrays.Params, codes: Int[Array, "b f l"]
    ) -> Float[Array, "b f d"]:
        """Returns the sums of entries that codes stand for."""
        levels = codes.shape[-1]
        if not 1 <= levels <= self.config.levels:
            raise errors.InputError(
                f"The codec decodes 1 to {self.config.levels} levels of codes; got "
                f"{levels}. Leave the others out."
            )
        return quantizer.dequantize(params["codebooks"], codes)

    @functools.partial(jax.jit, static_argnames="self")
    def synthesize(
        self, params: arrays.Params, vectors: Float[Array, "b f d"]
    ) -> Float[Array, "b n"]:
        """Returns the waveform of vectors."""

        def piece(
            memory: causal.Memory, part: Float[Array, "b f d"]
        ) -> tuple[causal.Memory, Float[Array, "b f frame"]]:
            samples, after = network.decode(self.config, params, part, memory)
            return after, samples.reshape(*part.shape[:2], self.samples_per_frame)

        memory = self.init_stream(vectors.shape[0]).decoder
        samples = self._in_pieces(piece, memory, vectors)
        return _clipped(samples.reshape(vectors.shape[0], -1))

    def checked(
        self, waveform: Float[np.ndarray, "b n"], sample_rate_hz: int
    ) -> Float[np.ndarray, "b whole"]:
        """Returns recordings fit for `encode`, cut to whole frames.

        Raises:
          InputError: for another sample rate than the codec's, for samples that are
            not finite, and for less than a frame.
        """
        if sample_rate_hz != self.sample_rate_hz:
            raise errors.InputError(
                f"The codec hears {self.sample_rate_hz} Hz; got {sample_rate_hz}. "
                "Resample the recording."
            )
        if not np.isfinite(waveform).all():
            raise errors.InputError(
                "Samples must be finite; some are not. Leave the recording out."
            )
        frame = self.samples_per_frame
        if waveform.shape[-1] < frame:
            raise errors.InputError(
                f"The codec needs at least {frame} samples; got {waveform.shape[-1]}. "
                "Use a longer recording."
            )
        return waveform[:, : waveform.shape[-1] // frame * frame]

    def init_stream(self, batch: arrays.Size) -> StreamState:
        """Returns the state before a stream of `batch` clips: silence."""
        return _silence(self.config, batch)

    @functools.partial(jax.jit, static_argnames="self")
    def encode_stream(
        self,
        params: arrays.Params,
        state: StreamState,
        waveform: Float[Array, "b n"],
    ) -> tuple[Int[Array, "b f l"], StreamState]:
        """Returns the codes of the next samples, whole frames, and the state after."""
        self._check_whole(waveform)
        codes, after = self._encode_piece(params, waveform, state.encoder)
        return codes, dataclasses.replace(state, encoder=after)

    @functools.partial(jax.jit, static_argnames="self")
    def decode_stream(
        self, params: arrays.Params, state: StreamState, codes: Int[Array, "b f l"]
    ) -> tuple[Float[Array, "b n"], StreamState]:
        """Returns the samples of the next codes, and the state after."""
        vectors = self.vectors(params, codes)
        samples, after = network.decode(self.config, params, vectors, state.decoder)
        return _clipped(samples), dataclasses.replace(state, decoder=after)

    def _encode_piece(
        self,
        params: arrays.Params,
        waveform: Float[Array, "b n"],
        memory: causal.Memory,
    ) -> tuple[Int[Array, "b f l"], causal.Memory]:
        c = self.config
        vectors, after = network.encode(c, params, waveform, memory)
        flat = vectors.reshape(-1, c.code_width)
        codes = quantizer.quantize(params["codebooks"], flat).codes
        return codes.reshape(*vectors.shape[:2], c.levels).astype(jnp.int32), after

    def _in_pieces(
        self,
        piece: Callable[[causal.Memory, Array], tuple[causal.Memory, Array]],
        memory: causal.Memory,
        frames: Array,
    ) -> Array:
        """Applies `piece` along axis 1; the last piece may be shorter."""
        size = self.config.piece_frames
        batch, count = frames.shape[:2]
        whole = count // size * size
        parts = []
        if whole:
            split = frames[:, :whole].reshape(batch, -1, size, *frames.shape[2:])
            memory, made = jax.lax.scan(piece, memory, jnp.moveaxis(split, 1, 0))
            made = jnp.moveaxis(made, 0, 1)
            parts.append(made.reshape(batch, whole, *made.shape[3:]))
        if whole < count:
            parts.append(piece(memory, frames[:, whole:])[1])
        return jnp.concatenate(parts, axis=1)

    def _check_whole(self, waveform: Float[Array, "b n"]) -> None:
        samples, frame = waveform.shape[-1], self.samples_per_frame
        if samples % frame or not samples:
            raise errors.InputError(
                f"The codec takes multiples of {frame} samples; got {samples}. Cut or "
                "pad the waveform."
            )


def make_codec(config: config_lib.SoundStreamConfig) -> SoundStream:
    """Returns the codec of `config`."""
    return SoundStream(config=config)


def export_params(params: arrays.Params, statistics: arrays.Params) -> arrays.Params:
    """Returns what the codec needs of a training state: networks and entries."""
    return dict(params) | {"codebooks": statistics["codebooks"].entries}


def abstract_params(config: config_lib.SoundStreamConfig) -> arrays.Params:
    """Returns the tree of shapes and dtypes that `load_weights` expects."""

    def init() -> arrays.Params:
        shape = (config.levels, config.codebook_size, config.code_width)
        return network.init(config, jax.random.key(0)) | {"codebooks": jnp.zeros(shape)}

    return jax.eval_shape(init)


@functools.cache
def _shapes(config: config_lib.SoundStreamConfig) -> StreamState:
    """Returns the shapes of what is remembered of one clip."""

    def after() -> StreamState:
        params = network.init(config, jax.random.key(0))
        samples = jnp.zeros((1, config.samples_per_frame))
        vectors = jnp.zeros((1, 1, config.code_width))
        return StreamState(
            encoder=network.encode(config, params, samples)[1],
            decoder=network.decode(config, params, vectors)[1],
        )

    return jax.eval_shape(after)


def _silence(config: config_lib.SoundStreamConfig, batch: arrays.Size) -> StreamState:
    return jax.tree.map(
        lambda leaf: jnp.zeros((batch, *leaf.shape[1:]), leaf.dtype), _shapes(config)
    )


def _clipped(samples: Float[Array, "b n"]) -> Float[Array, "b n"]:
    return jnp.clip(samples, -1.0, 1.0)
