"""From STFT magnitudes back to a waveform: phases, iterations, overlap-add.

The transforms are those of `spectrogram.stft`; `istft` inverts it exactly wherever the
windows overlap enough (at every sample for fft_size >= 2 * hop).
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from musicrl_jax.audio import spectrogram


def istft(
    transform: Complex[Array, "b frames bins"], fft_size: int, hop: int
) -> Float[Array, "b n"]:
    """Returns the least-squares waveform of a transform, `frames * hop` samples."""
    frames = transform.shape[1]
    window = jnp.asarray(spectrogram.hann(fft_size), jnp.float32)
    framed = jnp.fft.irfft(transform, n=fft_size) * window[None, None, :]
    envelope = jnp.asarray(_window_envelope(frames, fft_size, hop), jnp.float32)
    return _overlap_add(framed, hop) / envelope[None, :]


def griffin_lim(
    magnitude: Float[Array, "b frames bins"],
    fft_size: int,
    hop: int,
    iterations: int,
    momentum: float = 0.99,
) -> Float[Array, "b n"]:
    """Returns a waveform whose STFT magnitudes come close to `magnitude`.

    Fast Griffin-Lim (Perraudin et al. 2013) from the phases of `peak_phase`; with 0
    iterations just these phases.
    """
    unit = jnp.exp(1j * peak_phase(magnitude, fft_size, hop))

    def refine(_: Int[Array, ""], carry: tuple[Array, Array]) -> tuple[Array, Array]:
        unit, previous = carry
        waveform = istft(magnitude * unit, fft_size, hop)
        consistent = spectrogram.stft(waveform, fft_size, hop)
        ahead = consistent + momentum * (consistent - previous)
        return ahead / jnp.maximum(jnp.abs(ahead), 1e-8), consistent

    start = (unit, magnitude * unit)
    unit, _ = jax.lax.fori_loop(0, iterations, refine, start)
    return istft(magnitude * unit, fft_size, hop)


def peak_phase(
    magnitude: Float[Array, "b frames bins"], fft_size: int, hop: int
) -> Float[Array, "b frames bins"]:
    """Returns phases of sinusoids that go on from frame to frame at spectral peaks.

    Single-pass spectrogram inversion (Beauregard et al. 2015): each peak's frequency
    comes from a parabola through its bin and the two beside it; its phase advances by
    that frequency; the bins around a peak are locked to it.
    """
    peaks, frequency = _nearest_peaks(magnitude)
    advance = 2 * math.pi * hop / fft_size * frequency
    bins = jnp.arange(magnitude.shape[-1])
    locked = math.pi * jnp.mod(bins[None, None, :] - peaks, 2)

    def frame(
        phase: Float[Array, "b bins"], now: tuple[Array, Array, Array]
    ) -> tuple[Float[Array, "b bins"], Float[Array, "b bins"]]:
        peak, step, lock = now
        phase = jnp.take_along_axis(phase, peak, axis=-1) + step + lock
        phase = jnp.mod(phase, 2 * math.pi)
        return phase, phase

    peaks, advance, locked = (jnp.moveaxis(x, 1, 0) for x in (peaks, advance, locked))
    _, phases = jax.lax.scan(
        frame, jnp.zeros_like(magnitude[:, 0]), (peaks, advance, locked)
    )
    return jnp.moveaxis(phases, 0, 1)


def _nearest_peaks(
    magnitude: Float[Array, "b frames bins"],
) -> tuple[Array, Float[Array, "b frames bins"]]:
    """Returns each bin's nearest peak bin and that peak's frequency in bins."""
    last = magnitude.shape[-1] - 1
    beside = jnp.pad(magnitude, ((0, 0), (0, 0), (1, 1)), mode="edge")
    left, right = beside[..., :-2], beside[..., 2:]
    bins = jnp.arange(last + 1)[None, None, :]
    inner = (bins > 0) & (bins < last)
    is_peak = (magnitude > left) & (magnitude >= right) & inner
    below = jax.lax.cummax(jnp.where(is_peak, bins, -last), axis=2)
    above = jax.lax.cummin(jnp.where(is_peak, bins, 2 * last), axis=2, reverse=True)
    peaks = jnp.where(bins - below <= above - bins, below, above)
    peaks = jnp.where((peaks < 0) | (peaks > last), bins, peaks)
    curvature = left - 2 * magnitude + right
    offset = 0.5 * (left - right) / jnp.minimum(curvature, -1e-9)
    offset = jnp.where(is_peak, jnp.clip(offset, -0.5, 0.5), 0.0)
    return peaks, jnp.take_along_axis(bins + offset, peaks, axis=-1)


def _overlap_add(
    framed: Float[Array, "b frames window"], hop: int
) -> Float[Array, "b n"]:
    batch, frames, fft_size = framed.shape
    parts = -(-fft_size // hop)
    framed = jnp.pad(framed, ((0, 0), (0, 0), (0, parts * hop - fft_size)))
    pieces = framed.reshape(batch, frames, parts, hop)
    total = sum(
        jnp.pad(pieces[:, :, j], ((0, 0), (j, parts - 1 - j), (0, 0)))
        for j in range(parts)
    )
    start = (fft_size - hop) // 2
    samples = jnp.reshape(total, (batch, (frames + parts - 1) * hop))
    return samples[:, start : start + frames * hop]


@functools.cache
def _window_envelope(frames: int, fft_size: int, hop: int) -> Float[np.ndarray, " n"]:
    """Returns the sum of squared windows at each sample, at least 1e-3."""
    squared = np.square(spectrogram.hann(fft_size))
    total = np.zeros((frames - 1) * hop + fft_size)
    for frame in range(frames):
        total[frame * hop : frame * hop + fft_size] += squared
    start = (fft_size - hop) // 2
    return np.maximum(total[start : start + frames * hop], 1e-3)
