"""Overlap-add against scipy, phases against sinusoids, Griffin-Lim against itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from musicrl_jax.audio import inversion, spectrogram

FFT, HOP = 256, 64


def chord(samples=HOP * 60, seed=0):
    time = np.arange(samples) / 16_000
    wave = sum(np.sin(2 * np.pi * f * time + f) for f in (440.0, 1234.5, 2500.0))
    noise = np.random.default_rng(seed).normal(size=samples)
    return jnp.asarray((0.2 * wave + 0.01 * noise)[None], jnp.float32)


@pytest.mark.parametrize(("fft_size", "hop"), [(256, 64), (256, 128), (640, 160)])
def test_istft_inverts_stft(fft_size, hop):
    waveform = chord(hop * 40)
    transform = spectrogram.stft(waveform, fft_size, hop)
    back = inversion.istft(transform, fft_size, hop)
    np.testing.assert_allclose(back, waveform, atol=2e-5)


def test_istft_equals_scipy_on_an_inconsistent_transform():
    rng = np.random.default_rng(1)
    shape = (30, FFT // 2 + 1)
    transform = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    transform[:, [0, -1]] = transform[:, [0, -1]].real
    window = scipy.signal.get_window("hann", FFT)
    _, wanted = scipy.signal.istft(
        transform.T / window.sum(),
        window=window,
        nperseg=FFT,
        noverlap=FFT - HOP,
        boundary=True,
    )
    got = inversion.istft(jnp.asarray(transform[None], jnp.complex64), FFT, HOP)[0]
    # scipy drops half a window at the start, this package (FFT - HOP) / 2.
    first, count = FFT, len(got) - 2 * FFT
    shift = HOP // 2
    np.testing.assert_allclose(
        got[first : first + count], wanted[first - shift :][:count], atol=1e-5
    )


def test_peak_phase_of_a_sinusoid_advances_with_its_frequency():
    frequency = 20.3
    time = np.arange(HOP * 40)
    wave = jnp.asarray(np.sin(2 * np.pi * frequency * time / FFT)[None], jnp.float32)
    magnitude = spectrogram.stft_magnitude(wave, FFT, HOP)
    phase = np.asarray(inversion.peak_phase(magnitude, FFT, HOP))[0, 5:35, 20]
    advance = np.mod(np.diff(phase), 2 * np.pi)
    wanted = np.mod(2 * np.pi * frequency * HOP / FFT, 2 * np.pi)
    np.testing.assert_allclose(advance, wanted, atol=0.25)


def inconsistency(waveform, magnitude):
    got = spectrogram.stft_magnitude(waveform, FFT, HOP)
    return float(jnp.linalg.norm(got - magnitude) / jnp.linalg.norm(magnitude))


def test_griffin_lim_comes_closer_with_iterations_and_beats_zero_phase():
    waveform = chord()
    magnitude = spectrogram.stft_magnitude(waveform, FFT, HOP)
    run = jax.jit(inversion.griffin_lim, static_argnums=(1, 2, 3))
    found = {
        i: inconsistency(run(magnitude, FFT, HOP, i), magnitude) for i in (0, 8, 32)
    }
    flat = inversion.istft(magnitude.astype(jnp.complex64), FFT, HOP)
    assert found[32] < found[8] < found[0] < inconsistency(flat, magnitude)
    assert found[32] < 0.1


def test_silence_stays_silent():
    magnitude = jnp.zeros((1, 20, FFT // 2 + 1))
    waveform = inversion.griffin_lim(magnitude, FFT, HOP, 4)
    np.testing.assert_array_equal(waveform, 0.0)
