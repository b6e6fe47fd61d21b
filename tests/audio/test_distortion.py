"""SI-SDR against its closed form."""

import numpy as np
import pytest

from musicrl_jax.audio import distortion

RNG = np.random.default_rng(0)


def orthogonal(count=1000):
    """Returns two orthogonal signals of energy 1 and mean 0."""
    time = np.arange(count) / count
    pair = np.stack([np.sin(2 * np.pi * 5 * time), np.cos(2 * np.pi * 9 * time)])
    return pair / np.linalg.norm(pair, axis=-1, keepdims=True)


@pytest.mark.parametrize("decibels", [-20.0, 0.0, 13.0, 40.0])
def test_orthogonal_noise_gives_its_ratio(decibels):
    target, noise = orthogonal()
    estimate = target + noise * 10 ** (-decibels / 20)
    got = distortion.si_sdr_db(target[None], estimate[None])
    np.testing.assert_allclose(got, decibels, atol=1e-6)


def test_gain_and_constant_change_nothing():
    target = RNG.normal(size=(3, 400))
    estimate = target + 0.3 * RNG.normal(size=target.shape)
    plain = distortion.si_sdr_db(target, estimate)
    changed = distortion.si_sdr_db(target * 7 + 1, -0.01 * estimate + 5)
    np.testing.assert_allclose(plain, changed, rtol=1e-9)
    assert np.ptp(plain) > 0


def test_the_same_is_the_most_and_silence_is_finite():
    target = RNG.normal(size=(1, 400))
    np.testing.assert_allclose(distortion.si_sdr_db(target, target * 2), 120, atol=0.1)
    for estimate in (np.zeros((1, 400)), target):
        assert np.isfinite(distortion.si_sdr_db(target * 0, estimate)).all()
        assert np.isfinite(distortion.si_sdr_db(target, estimate)).all()
