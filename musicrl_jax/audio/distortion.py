"""How far a waveform is from another, sample by sample."""

import numpy as np
from jaxtyping import Float

_SMALLEST = 1e-12


def si_sdr_db(
    target: Float[np.ndarray, "b n"], estimate: Float[np.ndarray, "b n"]
) -> Float[np.ndarray, " b"]:
    """Returns the scale-invariant signal-to-distortion ratio in dB.

    Le Roux et al. 2019: the energy of the estimate's part along the target over that of
    the rest, both without their means. A gain or a constant changes nothing; a shift of
    a few samples changes much. 120 dB is the most, -120 dB the least.
    """
    target, estimate = (
        x.astype(np.float64) - np.mean(x, axis=-1, keepdims=True, dtype=np.float64)
        for x in (target, estimate)
    )
    power = np.sum(np.square(target), axis=-1, keepdims=True)
    gain = np.sum(target * estimate, axis=-1, keepdims=True) / (power + _SMALLEST)
    along = gain * target
    signal = np.sum(np.square(along), axis=-1)
    rest = np.sum(np.square(estimate - along), axis=-1)
    floor = _SMALLEST * (signal + rest) + np.finfo(np.float64).tiny
    return 10 * np.log10((signal + floor) / (rest + floor))
