"""The sizes of the semantic tokenizer."""

import dataclasses

from musicrl_jax.audio import spectrogram
from musicrl_jax.core import errors
from musicrl_jax.nn import conformer, convolution


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemanticConfig:
    """Sizes of the encoder, its masked prediction and its clusters.

    Attributes:
      sample_rate_hz: of the waveforms.
      fft_size: samples of a spectrogram window.
      hop: samples of a token (640 at 16 kHz: 25 Hz).
      frames_per_token: spectrogram frames of a token, a power of two. Strided
        convolutions make one of more than one; each halves time and frequency.
      stem_channels: features of these convolutions.
      num_mels: mel bands, a multiple of `frames_per_token`.
      mel_mean: mean of the log-mel values of music, subtracted.
      mel_deviation: their standard deviation, divided by.
      width: features of the encoder.
      blocks: its blocks.
      heads: attention heads of conformer blocks; 0 makes them ConvNeXt blocks.
      kernel: frames that a block's convolution sees (odd).
      token_block: the number of blocks before the features that are clustered.
      clusters: semantic tokens.
      targets: random-projection codebooks that are predicted.
      target_size: entries of each.
      target_width: features that a token's frames are projected to.
      mask_share: share of tokens that are hidden in training.
      mask_frames: tokens of one hidden span.
      dtype: "float32" or "bfloat16", of a conformer's activations.
      scan_layers: whether its blocks are a compiled loop (deep stacks, accelerators).
      remat: whether the backward pass recomputes its activations.
      attention: kernel of whole sequences, one of `nn.attention_kernels`.
    """

    sample_rate_hz: int = 16_000
    fft_size: int = 1280
    hop: int = 640
    frames_per_token: int = 1
    stem_channels: int = 32
    num_mels: int = 64
    mel_mean: float = -4.0
    mel_deviation: float = 3.0
    width: int = 160
    blocks: int = 6
    heads: int = 0
    kernel: int = 9
    token_block: int = 4
    clusters: int = 256
    targets: int = 4
    target_size: int = 256
    target_width: int = 16
    mask_share: float = 0.4
    mask_frames: int = 8
    dtype: str = "float32"
    scan_layers: bool = False
    remat: bool = False
    attention: str = "einsum"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            lowest = 0 if field.type is bool or field.name == "heads" else 1
            if isinstance(value, int) and value < lowest:
                raise errors.InputError(
                    f"SemanticConfig.{field.name} must be at least {lowest}; got "
                    f"{value}."
                )
        if not 0 < self.mask_share < 1:
            raise errors.InputError(
                "SemanticConfig.mask_share must lie between 0 and 1; got "
                f"{self.mask_share}."
            )
        self._check_blocks()
        self._check_frames()
        # Built here so that impossible sizes fail with the config.
        _ = self.mel, self.conformer(1) if self.heads else self.convnext

    def _check_blocks(self) -> None:
        highest = self.blocks - 1 if self.heads else self.blocks
        if self.token_block > highest:
            raise errors.InputError(
                "SemanticConfig.token_block must be at most blocks, less with heads; "
                f"got {self.token_block} of {self.blocks}."
            )
        idle = [name for name in ("scan_layers", "remat") if getattr(self, name)]
        idle += ["attention"] if self.attention != "einsum" else []
        if not self.heads and (idle or self.dtype != "float32"):
            raise errors.InputError(
                f"SemanticConfig.dtype {self.dtype!r} and {idle} are of conformer "
                "blocks; heads is 0. Set SemanticConfig.heads or leave them out."
            )

    def _check_frames(self) -> None:
        frames = self.frames_per_token
        if frames & (frames - 1) or self.hop % frames or self.num_mels % frames:
            raise errors.InputError(
                "SemanticConfig.frames_per_token must be a power of two that divides "
                f"hop and num_mels; got {frames} for {self.hop} and {self.num_mels}."
            )

    @property
    def mel(self) -> spectrogram.MelConfig:
        """The spectrogram that the encoder reads: `frames_per_token` frames a token."""
        return spectrogram.MelConfig(
            sample_rate_hz=self.sample_rate_hz,
            fft_size=self.fft_size,
            hop=self.hop // self.frames_per_token,
            num_mels=self.num_mels,
        )

    @property
    def stem_stages(self) -> int:
        """Strided convolutions before the blocks."""
        return self.frames_per_token.bit_length() - 1

    @property
    def token_mels(self) -> int:
        """Spectrogram values of a token."""
        return self.frames_per_token * self.num_mels

    @property
    def convnext(self) -> convolution.ConvNeXtConfig:
        """The sizes of a ConvNeXt block."""
        return convolution.ConvNeXtConfig(width=self.width, kernel=self.kernel)

    def conformer(self, layers: int) -> conformer.ConformerConfig:
        """Returns the sizes of a stack of conformer blocks."""
        return conformer.ConformerConfig(
            width=self.width,
            heads=self.heads,
            layers=layers,
            kernel=self.kernel,
            dtype=self.dtype,
            attention=self.attention,
            scan=self.scan_layers,
            remat=self.remat,
        )
