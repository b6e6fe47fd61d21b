"""Pictures of the report: what is drawn keeps its place."""

import io

import matplotlib.image
import numpy as np

from musicrl_jax.evaluation import figures


def test_a_long_title_does_not_squeeze_the_spectrograms():
    """Warnings are errors here, and matplotlib warns where nothing is left of axes."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    row = [figures.Sound(title="a long caption " * 20, waveform=tone)] * 2
    drawn = matplotlib.image.imread(io.BytesIO(figures.spectrograms([row], 16_000)))
    lit = drawn[..., 0] - drawn[..., 2] > 0.5  # the tone is bright orange in "magma"
    columns = np.flatnonzero(lit.any(axis=0))
    assert np.ptp(columns) > 0.75 * drawn.shape[1]


def test_a_tone_is_where_its_frequency_says():
    def height(hertz):
        wave = np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000)
        picture = figures.spectrograms(
            [[figures.Sound(title="tone", waveform=wave.astype(np.float32))]], 16_000
        )
        drawn = matplotlib.image.imread(io.BytesIO(picture))[:, :400]
        orange = (drawn[..., 0] > 0.8) & (drawn[..., 2] < 0.7) & (drawn[..., 1] < 0.9)
        return np.median(np.flatnonzero(orange.sum(axis=1) > 50))

    assert height(4000) < height(1000) < height(250)
