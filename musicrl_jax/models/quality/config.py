"""The sizes of the quality estimator."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class QualityConfig:
    """A two-dimensional CNN on log-mel spectrograms, then blocks over time.

    Attributes:
      sample_rate_hz: of the waveforms.
      fft_size: samples of a spectrogram window.
      hop: samples between frames.
      num_mels: mel bands; each stage halves them.
      channels: features of each 3 x 3 stage; each halves time and frequency.
      width: features of a frame after the stages.
      blocks: ConvNeXt blocks over time.
      kernel: frames that a block sees (odd).
      dropout: share of pooled features left out in training.
      min_seconds: shortest clip that is scored.
      simulated_raters: the scores it was trained on were made by a program; the
        training run sets it.
    """

    sample_rate_hz: int = 16_000
    fft_size: int = 1024
    hop: int = 400
    num_mels: int = 64
    channels: tuple[int, ...] = (16, 32, 64)
    width: int = 128
    blocks: int = 2
    kernel: int = 7
    dropout: float = 0.1
    min_seconds: float = 1.0
    simulated_raters: bool = False

    def __post_init__(self) -> None:
        sizes = (*self.channels, self.width, self.blocks)
        if not self.channels or min(sizes) < 1:
            raise errors.InputError(
                "QualityConfig needs positive channels, width and blocks; got "
                f"{self.channels}, {self.width}, {self.blocks}."
            )
        if self.num_mels % 2 ** len(self.channels) or not 0 <= self.dropout < 1:
            raise errors.InputError(
                "QualityConfig needs num_mels that each stage can halve, dropout in "
                f"[0, 1); got {self.num_mels} for {len(self.channels)} stages, "
                f"{self.dropout}."
            )
        if self.min_samples < max(self.fft_size, self.hop * 2 ** len(self.channels)):
            raise errors.InputError(
                "QualityConfig.min_seconds must reach a spectrogram window and a frame "
                f"after all stages; got {self.min_seconds}. Set a longer one."
            )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "QualityConfig":
        """Returns the config whose `dataclasses.asdict` went through JSON."""
        found: dict[str, Any] = dict(fields)
        found["channels"] = tuple(found["channels"])
        return cls(**found)

    @property
    def mel(self) -> spectrogram.MelConfig:
        """The spectrogram that the network reads; its floor is that of 16-bit audio."""
        return spectrogram.MelConfig(
            sample_rate_hz=self.sample_rate_hz,
            fft_size=self.fft_size,
            hop=self.hop,
            num_mels=self.num_mels,
            floor=1e-5,
        )

    @property
    def min_samples(self) -> int:
        """Samples of the shortest clip that is scored."""
        return round(self.min_seconds * self.sample_rate_hz)
