"""The sizes of the semantic tokenizer."""

import dataclasses

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemanticConfig:
    """Sizes of the encoder, its masked prediction and its clusters.

    Attributes:
      sample_rate_hz: of the waveforms.
      fft_size: samples of a spectrogram window.
      hop: samples of a token's frame (640 at 16 kHz: 25 Hz).
      num_mels: mel bands.
      mel_mean: mean of the log-mel values of music, subtracted.
      mel_deviation: their standard deviation, divided by.
      width: features of the encoder.
      blocks: ConvNeXt blocks.
      kernel: frames that a block sees.
      token_block: the number of blocks before the features that are clustered.
      clusters: semantic tokens.
      targets: random-projection codebooks that are predicted.
      target_size: entries of each.
      target_width: features that a frame is projected to before its nearest entry.
      mask_share: share of frames that are hidden in training.
      mask_frames: frames of one hidden span.
    """

    sample_rate_hz: int = 16_000
    fft_size: int = 1280
    hop: int = 640
    num_mels: int = 64
    mel_mean: float = -4.0
    mel_deviation: float = 3.0
    width: int = 160
    blocks: int = 6
    kernel: int = 9
    token_block: int = 4
    clusters: int = 256
    targets: int = 4
    target_size: int = 256
    target_width: int = 16
    mask_share: float = 0.4
    mask_frames: int = 8

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 1:
                raise errors.InputError(
                    f"SemanticConfig.{field.name} must be at least 1; got {value}."
                )
        if self.token_block > self.blocks:
            raise errors.InputError(
                "SemanticConfig.token_block must be at most blocks; got "
                f"{self.token_block} of {self.blocks}."
            )
        if not 0 < self.mask_share < 1:
            raise errors.InputError(
                "SemanticConfig.mask_share must lie between 0 and 1; got "
                f"{self.mask_share}."
            )

    @property
    def mel(self) -> spectrogram.MelConfig:
        """The spectrogram that the encoder reads: one frame a token."""
        return spectrogram.MelConfig(
            sample_rate_hz=self.sample_rate_hz,
            fft_size=self.fft_size,
            hop=self.hop,
            num_mels=self.num_mels,
        )
