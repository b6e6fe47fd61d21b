import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors

CONFIG = spectrogram.MelConfig()


@pytest.mark.parametrize(("low_hz", "high_hz"), [(0.0, None), (30.0, 7000.0)])
def test_filterbank_equals_librosa(low_hz, high_hz):
    config = spectrogram.MelConfig(low_hz=low_hz, high_hz=high_hz)
    expected = librosa.filters.mel(
        sr=16_000, n_fft=1024, n_mels=80, fmin=low_hz, fmax=high_hz
    )
    got = spectrogram.mel_filterbank(config)
    np.testing.assert_allclose(got, expected.T, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(("fft_size", "hop"), [(1024, 256), (1280, 320), (1024, 640)])
def test_stft_equals_librosa_on_the_padded_waveform(fft_size, hop):
    waveform = np.random.default_rng(0).standard_normal(5 * 1280).astype(np.float32)
    pad = (fft_size - hop) // 2
    padded = np.pad(waveform, pad, mode="reflect")
    expected = librosa.stft(padded, n_fft=fft_size, hop_length=hop, center=False)
    got = spectrogram.stft(jnp.asarray(waveform)[None, :], fft_size, hop)
    assert got.shape[1] == len(waveform) // hop
    np.testing.assert_allclose(got[0], expected.T, atol=1e-3)


def test_a_tone_peaks_in_its_band():
    time = jnp.arange(16_000) / 16_000
    tone = jnp.sin(2 * jnp.pi * 1000.0 * time)[None, :]
    bands = jnp.argmax(spectrogram.log_mel(tone, CONFIG), axis=-1)
    centres = librosa.mel_frequencies(n_mels=82, fmin=0, fmax=8000)[1:-1]
    nearest = int(np.argmin(np.abs(centres - 1000.0)))
    assert (bands[:, 5:-5] == nearest).all()


def test_silence_gives_the_floor_and_finite_gradients():
    silence = jnp.zeros((1, 2048))
    np.testing.assert_allclose(
        spectrogram.log_mel(silence, CONFIG), np.log(CONFIG.floor), rtol=1e-6
    )
    gradient = jax.grad(lambda x: spectrogram.mel(x, CONFIG).sum())(silence)
    assert jnp.isfinite(gradient).all()


def test_clips_do_not_depend_on_their_batch():
    batch = jax.random.normal(jax.random.key(0), (3, 4096))
    whole = spectrogram.log_mel(batch, CONFIG)
    alone = spectrogram.log_mel(batch[1:2], CONFIG)
    np.testing.assert_allclose(whole[1:2], alone, atol=1e-4)


@pytest.mark.parametrize(
    "fields",
    [{"hop": 0}, {"hop": 2048}, {"hop": 255}, {"high_hz": 9000.0}, {"num_mels": 0}],
)
def test_bad_configs_are_refused(fields):
    with pytest.raises(errors.InputError, match="MelConfig"):
        spectrogram.MelConfig(**fields)


def test_too_short_waveforms_are_refused():
    with pytest.raises(errors.InputError, match="384"):
        spectrogram.stft(jnp.zeros((1, 300)), 1024, 256)
