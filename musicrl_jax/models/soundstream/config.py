"""Settings of SoundStream."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoundStreamConfig:
    """Sizes of the codec; MusicLM's by default (50 Hz, 12 levels, 6 kbit/s).

    Attributes:
      width: features at the sample rate; twice as many after each stride.
      strides: of the encoder's blocks, from the waveform on; the decoder mirrors them.
      dilations: of the residual units of a block.
      kernel: samples that a residual unit's convolution sees.
      levels: residual levels of the quantiser.
      codebook_size: entries of each level.
      code_width: features of an entry.
      piece_frames: code frames that long clips are encoded and decoded in at a time;
        the result does not depend on it, memory and speed do.
    """

    sample_rate_hz: int = 24_000
    width: int = 32
    strides: tuple[int, ...] = (3, 4, 5, 8)
    dilations: tuple[int, ...] = (1, 3, 9)
    kernel: int = 7
    levels: int = 12
    codebook_size: int = 1024
    code_width: int = 128
    piece_frames: int = 25

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            smallest = min(value, default=0) if isinstance(value, tuple) else value
            if smallest < 1:
                raise errors.InputError(
                    f"SoundStreamConfig.{field.name} must be at least 1; got {value}. "
                    "Set it in the codec's gin file."
                )

    @property
    def samples_per_frame(self) -> int:
        """Samples that one step of codes stands for."""
        return math.prod(self.strides)

    @property
    def bits_per_second(self) -> float:
        """What the codes of all levels take."""
        rate = self.sample_rate_hz / self.samples_per_frame
        return rate * self.levels * math.log2(self.codebook_size)


def from_fields(fields: Mapping[str, Any]) -> SoundStreamConfig:
    """Returns the configuration of a weights file, where JSON made tuples lists."""
    made: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in fields.items()
    }
    return SoundStreamConfig(**made)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Sizes of the discriminators.

    Attributes:
      stft_windows: samples of the window of each complex-STFT discriminator.
      stft_width: features of their first layer.
      wave_scales: waveform discriminators; each hears half the rate of that before it.
      wave_width: features of their first layer.
      depth: strided layers of each discriminator.
    """

    stft_windows: tuple[int, ...] = (2048, 1024, 512, 256, 128)
    stft_width: int = 32
    wave_scales: int = 3
    wave_width: int = 16
    depth: int = 3

    def __post_init__(self) -> None:
        divisor = 2 ** (self.depth + 1)
        if any(window < 4 or window % divisor for window in self.stft_windows):
            raise errors.InputError(
                "DiscriminatorConfig.stft_windows must be multiples of 4 and of "
                f"2^(depth + 1) = {divisor}; got {self.stft_windows}. Change them."
            )
        if min(self.stft_width, self.wave_width, self.depth) < 1:
            raise errors.InputError(
                "DiscriminatorConfig.stft_width, .wave_width and .depth must be at "
                f"least 1; got {self.stft_width}, {self.wave_width}, {self.depth}."
            )
        if not self.stft_windows and self.wave_scales < 1:
            raise errors.InputError(
                "DiscriminatorConfig needs a discriminator; got no stft_windows and "
                f"{self.wave_scales} wave_scales. Set one of them."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoundStreamLossConfig:
    """How SoundStream is trained.

    The first four weights are shares of the gradient at the decoder's output, whatever
    the scale of the losses (EnCodec, Défossez et al. 2022, section 3.4).

    Attributes:
      waveform_weight: of the L1 distance of waveforms.
      mel_weight: of the L1 distance of log-mel spectrograms.
      adversarial_weight: of what the discriminators take for generated.
      feature_weight: of the distance of the discriminators' hidden layers.
      mel_windows: samples of the window of each spectrogram.
      commitment_weight: pulls encoder outputs to their entries; not balanced.
      codebook_decay: of the moving averages that entries follow.
      dead_below: an entry whose average count is below this is drawn anew.
      start_iterations: of the k-means that the first batch's entries come from.
      dropout: share of clips of which only the first 1 to l levels are used.
    """

    waveform_weight: float = 0.1
    mel_weight: float = 1.0
    adversarial_weight: float = 3.0
    feature_weight: float = 3.0
    mel_windows: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)
    commitment_weight: float = 1.0
    codebook_decay: float = 0.99
    dead_below: float = 0.1
    start_iterations: int = 10
    dropout: float = 0.5

    def __post_init__(self) -> None:
        for name in ("codebook_decay", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise errors.InputError(
                    f"SoundStreamLossConfig.{name} must lie in [0, 1); got "
                    f"{getattr(self, name)}. Set it in the codec's gin file."
                )
        if not self.mel_windows or min(self.mel_windows) < 16:
            raise errors.InputError(
                "SoundStreamLossConfig.mel_windows needs windows of at least 16 "
                f"samples; got {self.mel_windows}. Set it in the codec's gin file."
            )
