"""STFT magnitudes and log-mel spectrograms in JAX.

Frame i is centred on the middle of samples `i * hop ... (i + 1) * hop - 1`: the
waveform is reflected by `(fft_size - hop) / 2` at both ends, which gives exactly
`n // hop` frames.
"""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class MelConfig:
    """A log-mel spectrogram.

    Attributes:
      fft_size: samples of the periodic Hann window and of the transform.
      hop: samples between frames.
      high_hz: upper edge of the last band; None is half the sample rate.
      floor: smallest mel magnitude before the natural logarithm.
    """

    sample_rate_hz: int = 16_000
    fft_size: int = 1024
    hop: int = 256
    num_mels: int = 80
    low_hz: float = 0.0
    high_hz: float | None = None
    floor: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.fft_size or (self.fft_size - self.hop) % 2:
            raise errors.InputError(
                "MelConfig needs 0 < hop <= fft_size with an even difference; got "
                f"hop={self.hop}, fft_size={self.fft_size}. Change one of them."
            )
        top = self.sample_rate_hz / 2
        if not 0 <= self.low_hz < (self.high_hz or top) <= top:
            raise errors.InputError(
                f"MelConfig needs 0 <= low_hz < high_hz <= {top}; got "
                f"{self.low_hz} and {self.high_hz}. Change them."
            )
        if self.num_mels < 1 or self.floor <= 0:
            raise errors.InputError(
                "MelConfig.num_mels and .floor must be positive; got "
                f"{self.num_mels} and {self.floor}. Change them."
            )


def stft(
    waveform: Float[Array, "b n"], fft_size: int, hop: int
) -> Complex[Array, "b frames bins"]:
    """Returns the transform of `n // hop` Hann-windowed frames.

    Frames are shifted reshapes and not a gather, whose gradient is slow on a CPU.

    Raises:
      InputError: where the waveform is too short to reflect.
    """
    pad = (fft_size - hop) // 2
    samples = waveform.shape[-1]
    frames = samples // hop
    if samples <= pad or not frames:
        raise errors.InputError(
            f"A waveform for fft_size={fft_size}, hop={hop} needs more than "
            f"{max(pad, hop - 1)} samples; got {samples}. Use longer clips."
        )
    parts = -(-fft_size // hop)
    missing = max(0, (frames + parts - 1) * hop - (samples + 2 * pad))
    padded = jnp.pad(waveform, ((0, 0), (pad, pad)), mode="reflect")
    padded = jnp.pad(padded, ((0, 0), (0, missing)))
    shifted = [
        padded[:, j * hop : (j + frames) * hop].reshape(-1, frames, hop)
        for j in range(parts)
    ]
    framed = jnp.concatenate(shifted, axis=-1)[..., :fft_size]
    window = jnp.asarray(hann(fft_size), waveform.dtype)
    return jnp.fft.rfft(framed * window[None, None, :])


def stft_magnitude(
    waveform: Float[Array, "b n"], fft_size: int, hop: int
) -> Float[Array, "b frames bins"]:
    """Returns `|stft|` with a finite gradient where it is zero."""
    transform = stft(waveform, fft_size, hop)
    power = jnp.square(transform.real) + jnp.square(transform.imag)
    return jnp.sqrt(jnp.maximum(power, 1e-14))


def mel(waveform: Float[Array, "b n"], config: MelConfig) -> Float[Array, "b frames m"]:
    """Returns mel magnitudes: the filterbank applied to `stft_magnitude`."""
    magnitude = stft_magnitude(waveform, config.fft_size, config.hop)
    return magnitude @ jnp.asarray(mel_filterbank(config), magnitude.dtype)


def log_mel(
    waveform: Float[Array, "b n"], config: MelConfig
) -> Float[Array, "b frames m"]:
    """Returns `ln(max(mel, floor))`, `n // hop` frames."""
    return jnp.log(jnp.maximum(mel(waveform, config), config.floor))


@functools.cache
def hann(size: int) -> Float[np.ndarray, " size"]:
    """Returns the periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


@functools.cache
def mel_filterbank(config: MelConfig) -> Float[np.ndarray, "bins m"]:
    """Returns triangular filters of equal area on Slaney's mel scale."""
    high = config.high_hz or config.sample_rate_hz / 2
    ends = mel_from_hz(np.asarray([config.low_hz, high]))
    edges = hz_from_mel(np.linspace(ends[0], ends[1], config.num_mels + 2))
    bins = np.fft.rfftfreq(config.fft_size, 1 / config.sample_rate_hz)
    rising = (bins[:, None] - edges[None, :-2]) / np.diff(edges)[None, :-1]
    falling = (edges[None, 2:] - bins[:, None]) / np.diff(edges)[None, 1:]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (edges[2:] - edges[:-2]))[None, :]


def mel_from_hz(hz: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Converts Hz to Slaney mel: linear below 1 kHz, logarithmic above."""
    above = 15 + np.log(np.maximum(hz, 1000) / 1000) * 27 / np.log(6.4)
    return np.where(hz < 1000, hz * 3 / 200, above)


def hz_from_mel(mels: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Converts Slaney mel to Hz."""
    above = 1000 * np.exp(np.maximum(mels - 15, 0) * np.log(6.4) / 27)
    return np.where(mels < 15, mels * 200 / 3, above)
