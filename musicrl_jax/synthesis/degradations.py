"""Faults of graded strength, for clips whose quality is known by construction.

Each takes a clip and a strength in (0, 1] and obeys a law that can be measured:

    noise       signal to noise ratio of `45 - 45 * strength` dB
    clipping    `10 ** (2.5 * strength - 3)` of the samples lie at the ceiling
    band_limit  nothing above `8000 / 16 ** strength` Hz
    drop_outs   `0.4 * strength` of the samples are zero
    codec       the first `(2 * levels) ** (1 - strength)` levels of a codec

Strength 0 is the clip itself. The level of the clip is kept, so that loudness tells
nothing about quality. Randomness is an argument: the same generator, the same fault.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors

SNR_RANGE_DB = 45.0
TOP_HZ = 8_000.0
LOWEST_SHARE_OF_TOP = 1 / 16
TRANSITION = 0.9
LARGEST_SILENT_SHARE = 0.4
GAP_SECONDS = (0.02, 0.12)
PEAK = 0.99


@runtime_checkable
class Degradation(Protocol):
    """A kind of fault."""

    def strengths(self, count: int, random: np.random.Generator) -> list[float]:
        """Draws `count` strengths in (0, 1], spread over that range."""
        ...

    def __call__(
        self,
        waveform: Float[np.ndarray, " n"],
        sample_rate_hz: int,
        strength: float,
        random: np.random.Generator,
    ) -> Float[np.ndarray, " n"]:
        """Returns the clip with the fault, at whatever level."""
        ...


class Continuous:
    """A fault that has every strength; one is drawn from each of equal ranges."""

    def strengths(self, count: int, random: np.random.Generator) -> list[float]:
        """Draws one strength in each `count`-th part of (0, 1]."""
        return [float(i + 1 - random.random()) / count for i in range(count)]


class Noise(Continuous):
    """Adds noise between white and pink."""

    def __call__(
        self,
        waveform: Float[np.ndarray, " n"],
        sample_rate_hz: int,
        strength: float,
        random: np.random.Generator,
    ) -> Float[np.ndarray, " n"]:
        """Returns the clip with noise at exactly the law's ratio of powers."""
        del sample_rate_hz
        white = np.fft.rfft(random.standard_normal(len(waveform)))
        exponent = random.uniform(0, 0.5)
        colour = np.maximum(np.arange(len(white)), 1.0) ** -exponent
        noise = np.fft.irfft(white * colour, len(waveform))
        ratio = 10 ** (-SNR_RANGE_DB * (1 - strength) / 20)
        return waveform + noise * (ratio * _rms(waveform) / _rms(noise))


class Clipping(Continuous):
    """Cuts peaks off."""

    def __call__(
        self,
        waveform: Float[np.ndarray, " n"],
        sample_rate_hz: int,
        strength: float,
        random: np.random.Generator,
    ) -> Float[np.ndarray, " n"]:
        """Returns the clip with the law's share of samples at the ceiling."""
        del sample_rate_hz, random
        share = 10 ** (2.5 * strength - 3)
        ceiling = np.quantile(np.abs(waveform), 1 - share)
        return np.clip(waveform, -ceiling, ceiling)


class BandLimit(Continuous):
    """Removes high frequencies, without a change of phase."""

    def __call__(
        self,
        waveform: Float[np.ndarray, " n"],
        sample_rate_hz: int,
        strength: float,
        random: np.random.Generator,
    ) -> Float[np.ndarray, " n"]:
        """Returns the clip with nothing above the law's frequency."""
        del random
        cut_off = TOP_HZ * LOWEST_SHARE_OF_TOP**strength
        hertz = np.fft.rfftfreq(len(waveform), 1 / sample_rate_hz)
        place = (hertz / cut_off - TRANSITION) / (1 - TRANSITION)
        gain = np.square(np.cos(np.pi / 2 * np.clip(place, 0, 1)))
        gain[hertz >= cut_off] = 0.0
        return np.fft.irfft(np.fft.rfft(waveform) * gain, len(waveform))


class DropOuts(Continuous):
    """Replaces short pieces with silence, as lost packets do."""

    def __call__(
        self,
        waveform: Float[np.ndarray, " n"],
        sample_rate_hz: int,
        strength: float,
        random: np.random.Generator,
    ) -> Float[np.ndarray, " n"]:
        """Returns the clip with gaps of one length, one in each equal part of it."""
        silent = LARGEST_SILENT_SHARE * strength * len(waveform)
        gap = random.uniform(*GAP_SECONDS) * sample_rate_hz
        gaps = max(1, round(silent / gap))
        length = round(silent / gaps)
        edges = np.linspace(0, len(waveform), gaps + 1).astype(int)
        out = waveform.copy()
        for start, stop in itertools.pairwise(edges):
            place = start + random.integers(stop - start - length, endpoint=True)
            out[place : place + length] = 0.0
        return out


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodecArtefacts:
    """Sends the clip through a codec of which only the first levels are kept.

    Attributes:
      reconstruct: (waveform at the codec's rate, levels kept) to a waveform.
      levels: of the codec.
    """

    reconstruct: Callable[[Float[np.ndarray, " n"], int], Float[np.ndarray, " m"]]
    levels: int

    def strengths(self, count: int, random: np.random.Generator) -> list[float]:
        """Draws one strength in each `count`-th part of (0, 1], and takes the nearest.

        Each doubling of the levels weighs the same: of twelve levels the last six are
        heard less than the second one. All levels together still are a fault.
        """
        drawn = Continuous().strengths(count, random)
        return [self._strength(self._kept(strength)) for strength in drawn]

    def __call__(
        self,
        waveform: Float[np.ndarray, " n"],
        sample_rate_hz: int,
        strength: float,
        random: np.random.Generator,
    ) -> Float[np.ndarray, " n"]:
        """Returns the reconstruction; samples beyond whole frames become silence."""
        del sample_rate_hz, random
        made = self.reconstruct(waveform, self._kept(strength))[: len(waveform)]
        return np.pad(made, (0, len(waveform) - len(made)))

    def _kept(self, strength: float) -> int:
        kept = round((2 * self.levels) ** (1 - strength))
        return min(max(kept, 1), self.levels)

    def _strength(self, kept: int) -> float:
        return 1 - math.log(kept) / math.log(2 * self.levels)


SIGNAL_KINDS: Mapping[str, Degradation] = {
    "noise": Noise(),
    "clipping": Clipping(),
    "band_limit": BandLimit(),
    "drop_outs": DropOuts(),
}
"""The faults that need no network, by name."""


def degrade(
    degradation: Degradation,
    waveform: Float[np.ndarray, " n"],
    sample_rate_hz: int,
    strength: float,
    seed: Sequence[int],
) -> Float[np.ndarray, " n"]:
    """Returns a clip with a fault, at the clip's own level and never beyond full scale.

    Args:
      degradation: the kind.
      waveform: in [-1, 1].
      sample_rate_hz: of the waveform.
      strength: 0 (returned unchanged) to 1.
      seed: of all that is random in the fault.

    Raises:
      InputError: for a strength outside [0, 1], or a silent clip.
    """
    if not 0 <= strength <= 1:
        raise errors.InputError(
            f"The strength of a degradation must lie in [0, 1]; got {strength}."
        )
    waveform = np.asarray(waveform, np.float64)
    if not np.any(waveform):
        raise errors.InputError(
            "A clip must have sound to be degraded; got silence. Leave it out."
        )
    if strength == 0:
        return waveform.astype(np.float32)
    random = np.random.default_rng(list(seed))
    made = degradation(waveform, sample_rate_hz, strength, random)
    made = made * (_rms(waveform) / max(_rms(made), 1e-9))
    return (made * min(1.0, PEAK / np.abs(made).max())).astype(np.float32)


def _rms(waveform: Float[np.ndarray, " n"]) -> float:
    return float(np.sqrt(np.mean(np.square(waveform))))
