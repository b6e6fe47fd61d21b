"""Distances in closed form; log-mel against librosa; hinge losses by hand."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np

from musicrl_jax.models.soundstream import losses


def noise(seed, clips=2, samples=4096):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.normal(size=(clips, samples))).astype(np.float32)


def test_mel_distance_of_a_gain_is_its_logarithm():
    target = jnp.asarray(noise(0) * 10)
    got = losses.mel_distance(target, target * 2, 16_000, (64, 256, 1024))
    np.testing.assert_allclose(got, np.log(2), rtol=1e-4)
    assert losses.mel_distance(target, target, 16_000, (64,)) == 0.0


def test_mel_distance_equals_librosas():
    target, estimate = noise(1), noise(2)
    wanted = []
    for window in (64, 256, 1024):
        bank = librosa.filters.mel(sr=24_000, n_fft=window, n_mels=window // 8)
        logs = []
        for clips in (target, estimate):
            pad = (window - window // 4) // 2
            padded = np.pad(clips, ((0, 0), (pad, pad)), mode="reflect")
            spectrum = librosa.stft(
                padded, n_fft=window, hop_length=window // 4, center=False
            )
            logs.append(np.log(np.maximum(bank @ np.abs(spectrum), 1e-4)))
        wanted.append(np.abs(logs[0] - logs[1]).mean())
    got = losses.mel_distance(
        jnp.asarray(target), jnp.asarray(estimate), 24_000, (64, 256, 1024)
    )
    np.testing.assert_allclose(got, np.mean(wanted), rtol=1e-3)


def test_mel_distance_of_silence_has_a_finite_gradient():
    silence = jnp.zeros((1, 2048))
    slope = jax.grad(
        lambda x: losses.mel_distance(jnp.asarray(noise(3, 1, 2048)), x, 16_000, (256,))
    )
    assert jnp.isfinite(slope(silence)).all()


def judgement(logits, layers):
    return [
        (jnp.asarray(a), [jnp.asarray(x) for x in b])
        for a, b in zip(logits, layers, strict=True)
    ]


def test_hinges_by_hand():
    real = judgement([[2.0, 0.0], [1.0]], [[[1.0, 3.0]], [[2.0], [4.0]]])
    fake = judgement([[-2.0, 0.5], [0.0]], [[[1.0, 1.0]], [[2.0], [5.0]]])
    # Means over places: real (0 + 1) / 2 and 0; fake (0 + 1.5) / 2 and 1.
    np.testing.assert_allclose(
        losses.discriminator_hinge(real, fake), (0.5 + 0.75 + 0 + 1) / 2
    )
    np.testing.assert_allclose(losses.adversarial_hinge(fake), ((3 + 0.5) / 2 + 1) / 2)
    np.testing.assert_allclose(
        losses.feature_distance(real, fake), (1 / 2 + 0 + 1 / 4) / 3, rtol=1e-5
    )
