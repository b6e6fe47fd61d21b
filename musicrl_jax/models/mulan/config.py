"""The sizes of MuLan."""

import dataclasses

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class MulanConfig:
    """Sizes of both towers and of the residual quantiser.

    Attributes:
      vocabulary_size: ids of the text tokenizer, padding (0) and buckets included.
      text_words: words that a caption is cut to or padded to.
      text_width: features of a word.
      text_layers: transformer layers of the text tower.
      text_heads: attention heads of each.
      sample_rate_hz: of the waveforms.
      fft_size: samples of a spectrogram window.
      hop: samples between spectrogram frames.
      num_mels: mel bands.
      mel_mean: mean of the log-mel values of music, subtracted.
      mel_deviation: their standard deviation, divided by.
      audio_stem: channels of each convolution over frames and bands before the stages;
        each halves the bands, the last one also the frames. Empty for none.
      audio_widths: features of each stage; each stage halves the frame rate, but for
        the first behind a stem.
      audio_blocks: ConvNeXt blocks of a stage.
      kernel: frames that a block sees.
      min_seconds: the shortest clip that `embed_audio` takes.
      embedding: length of axis e.
      conditioning_tokens: residual levels, the length of axis k.
      codebook_size: entries of each level.
    """

    vocabulary_size: int = 4096
    text_words: int = 72
    text_width: int = 128
    text_layers: int = 1
    text_heads: int = 4
    sample_rate_hz: int = 16_000
    fft_size: int = 2048
    hop: int = 640
    num_mels: int = 192
    mel_mean: float = -4.0
    mel_deviation: float = 3.0
    audio_stem: tuple[int, ...] = ()
    audio_widths: tuple[int, ...] = (112, 160, 224)
    audio_blocks: int = 2
    kernel: int = 7
    min_seconds: float = 1.0
    embedding: int = 128
    conditioning_tokens: int = 12
    codebook_size: int = 256

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and value < 1:
                raise errors.InputError(
                    f"MulanConfig.{field.name} must be at least 1; got {value}."
                )
        if not self.audio_widths or min(self.audio_widths) < 1:
            raise errors.InputError(
                "MulanConfig.audio_widths needs one or more positive widths; got "
                f"{self.audio_widths}."
            )
        if self.text_width % self.text_heads:
            raise errors.InputError(
                "MulanConfig.text_width must be a multiple of text_heads; got "
                f"{self.text_width} and {self.text_heads}."
            )

    @property
    def mel(self) -> spectrogram.MelConfig:
        """The spectrogram that the audio tower reads."""
        return spectrogram.MelConfig(
            sample_rate_hz=self.sample_rate_hz,
            fft_size=self.fft_size,
            hop=self.hop,
            num_mels=self.num_mels,
        )

    @property
    def min_samples(self) -> int:
        """Samples of the shortest clip."""
        return round(self.min_seconds * self.sample_rate_hz)
