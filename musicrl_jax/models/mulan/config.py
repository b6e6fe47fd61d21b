"""The sizes of MuLan."""

import dataclasses

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors
from musicrl_jax.nn import config as nn_config


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
      audio_layers: transformer layers behind the last stage, as wide as it.
      audio_heads: attention heads of each.
      min_seconds: the shortest clip that `embed_audio` takes.
      embedding: length of axis e.
      conditioning_tokens: residual levels, the length of axis k.
      codebook_size: entries of each level.
      dtype: "float32" or "bfloat16", of activations; parameters and embeddings stay
        float32.
      scan_layers: whether transformer layers are a compiled loop (deep stacks).
      remat: whether the backward pass recomputes the activations of transformer layers
        and of stages.
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
    audio_layers: int = 0
    audio_heads: int = 4
    min_seconds: float = 1.0
    embedding: int = 128
    conditioning_tokens: int = 12
    codebook_size: int = 256
    dtype: str = "float32"
    scan_layers: bool = False
    remat: bool = False

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "audio_layers" else 1
            if type(value) is int and value < least:
                raise errors.InputError(
                    f"MulanConfig.{field.name} must be at least {least}; got {value}."
                )
        if not self.audio_widths or min(self.audio_widths) < 1:
            raise errors.InputError(
                "MulanConfig.audio_widths needs one or more positive widths; got "
                f"{self.audio_widths}."
            )
        # Built here so that impossible sizes fail with the config.
        _ = self.text_block, self.audio_block

    @property
    def text_block(self) -> nn_config.BlockConfig:
        """The transformer block of the text tower."""
        return nn_config.BlockConfig(
            width=self.text_width,
            heads=self.text_heads,
            layers=self.text_layers,
            dtype=self.dtype,
        )

    @property
    def audio_block(self) -> nn_config.BlockConfig | None:
        """The transformer block of the audio tower, if it has any."""
        if not self.audio_layers:
            return None
        return nn_config.BlockConfig(
            width=self.audio_widths[-1],
            heads=self.audio_heads,
            layers=self.audio_layers,
            dtype=self.dtype,
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
