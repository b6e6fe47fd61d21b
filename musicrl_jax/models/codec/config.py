"""Settings of the spectral codec."""

import dataclasses

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors
from musicrl_jax.nn import convolution


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """Sizes of the spectral codec; the starter's by default.

    Attributes:
      fft_size: samples of the window of both spectrograms, in and out.
      hop: samples between STFT frames.
      frames_per_code: STFT frames that one step of codes stands for.
      num_mels: bands of the encoder's input.
      width: features of the convolutional blocks.
      kernel: frames that a block's convolution sees.
      expansion: hidden width of a block, as a multiple of `width`.
      encoder_depth: blocks at the code rate before the quantiser.
      code_depth: blocks at the code rate after it.
      frame_depth: blocks at the STFT frame rate before the head.
      levels: residual levels of the quantiser.
      codebook_size: entries of each level.
      code_width: features of an entry.
      magnitude_floor: smallest STFT magnitude the codec distinguishes.
      refine_iterations: Griffin-Lim iterations of `decode`.
    """

    sample_rate_hz: int = 16_000
    fft_size: int = 1280
    hop: int = 320
    frames_per_code: int = 2
    num_mels: int = 128
    width: int = 256
    kernel: int = 7
    expansion: int = 2
    encoder_depth: int = 3
    code_depth: int = 2
    frame_depth: int = 2
    levels: int = 4
    codebook_size: int = 256
    code_width: int = 64
    magnitude_floor: float = 1e-3
    refine_iterations: int = 4

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            least = 0 if field.name in ("refine_iterations", "magnitude_floor") else 1
            if getattr(self, field.name) < least:
                raise errors.InputError(
                    f"CodecConfig.{field.name} must be at least {least}; got "
                    f"{getattr(self, field.name)}. Set it in the codec's gin file."
                )
        if self.magnitude_floor <= 0:
            raise errors.InputError(
                "CodecConfig.magnitude_floor must be positive; got "
                f"{self.magnitude_floor}. Try 1e-3."
            )

    @property
    def samples_per_frame(self) -> int:
        """Samples that one step of codes stands for."""
        return self.hop * self.frames_per_code

    @property
    def bins(self) -> int:
        """Frequencies of the STFT."""
        return self.fft_size // 2 + 1

    @property
    def block(self) -> convolution.ConvNeXtConfig:
        """The ConvNeXt block that all stacks use."""
        return convolution.ConvNeXtConfig(
            width=self.width, kernel=self.kernel, expansion=self.expansion
        )

    def mel(self, num_mels: int | None = None) -> spectrogram.MelConfig:
        """Returns a mel spectrogram on the codec's STFT grid."""
        return spectrogram.MelConfig(
            sample_rate_hz=self.sample_rate_hz,
            fft_size=self.fft_size,
            hop=self.hop,
            num_mels=num_mels or self.num_mels,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodecLossConfig:
    """How the codec is trained.

    Attributes:
      magnitude_weight: of the L1 distance of log magnitudes.
      mel_weight: of the mean L1 distance of log-mel spectrograms.
      mel_bands: one log-mel spectrogram of each number of bands.
      compressed_weight: of the L1 distance of magnitudes to the power 0.3, which
        cares for peaks (melody, chords) more than for the floor.
      commitment_weight: pulls encoder outputs to their entries.
      codebook_decay: of the moving averages that entries follow.
      dead_below: an entry whose average count is below this is drawn anew.
      dropout: share of clips of which only the first 1 to l levels are used.
      bypass: share of clips that reach the decoder unquantised, which keeps the
        encoder from collapsing while codebooks are young (Mimi, Défossez et al. 2024,
        section 3.1.3).
    """

    magnitude_weight: float = 1.0
    mel_weight: float = 1.0
    mel_bands: tuple[int, ...] = (20, 40, 80)
    compressed_weight: float = 1.0
    commitment_weight: float = 0.25
    codebook_decay: float = 0.97
    dead_below: float = 0.1
    dropout: float = 0.2
    bypass: float = 0.25

    def __post_init__(self) -> None:
        for name in ("codebook_decay", "dropout", "bypass"):
            if not 0 <= getattr(self, name) < 1:
                raise errors.InputError(
                    f"CodecLossConfig.{name} must lie in [0, 1); got "
                    f"{getattr(self, name)}. Set it in the codec's gin file."
                )
