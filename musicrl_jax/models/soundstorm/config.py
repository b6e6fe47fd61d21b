"""The sizes of SoundStorm, and how it decodes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.nn import conformer


@dataclasses.dataclass(frozen=True, kw_only=True)
class SoundStormConfig:
    """A conformer over the frames of a codec.

    Attributes:
      levels: residual levels of the codec.
      coarse_levels: those that are given, the lowest.
      codebook_size: entries of each level.
      semantic_size: semantic tokens that are a second input; 0 for none.
      width: features.
      heads: attention heads.
      layers: conformer blocks.
      kernel: frames that a block's convolution sees (odd).
      mlp_ratio: hidden features of each MLP over `width`.
      window_frames: frames that attention sees around each, itself included; 0 for
        all. A window lets a network that was trained on crops take longer clips.
      dtype: "float32" or "bfloat16", of activations.
      scan_layers: whether layers are a compiled loop (deep stacks, accelerators).
      remat: whether the backward pass recomputes the layers' activations.
      attention: kernel of whole sequences, one of `nn.attention_kernels`; with a
        window there is one only, `einsum`.
    """

    levels: int = 12
    coarse_levels: int = 4
    codebook_size: int = 256
    semantic_size: int = 0
    width: int = 128
    heads: int = 4
    layers: int = 3
    kernel: int = 5
    mlp_ratio: float = 2.0
    window_frames: int = 0
    dtype: str = "float32"
    scan_layers: bool = False
    remat: bool = False
    attention: str = "einsum"

    def __post_init__(self) -> None:
        if not 1 <= self.coarse_levels < self.levels:
            raise errors.InputError(
                "SoundStormConfig needs 1 <= coarse_levels < levels; got "
                f"{self.coarse_levels} and {self.levels}. The codec needs more levels "
                "than those that are given."
            )
        if self.codebook_size < 1 or self.semantic_size < 0:
            raise errors.InputError(
                "SoundStormConfig.codebook_size must be positive, .semantic_size 0 or "
                f"more; got {self.codebook_size} and {self.semantic_size}."
            )
        if self.window_frames < 0 or self.window_frames == 1:
            raise errors.InputError(
                "SoundStormConfig.window_frames must be 0, for all, or 2 or more; got "
                f"{self.window_frames}."
            )
        _ = self.conformer  # Refuses impossible sizes.

    @property
    def fine_levels(self) -> int:
        """Levels that are predicted."""
        return self.levels - self.coarse_levels

    @property
    def conformer(self) -> conformer.ConformerConfig:
        """The stack of blocks."""
        return conformer.ConformerConfig(
            width=self.width,
            heads=self.heads,
            layers=self.layers,
            kernel=self.kernel,
            reach=self.window_frames // 2,
            mlp_ratio=self.mlp_ratio,
            dtype=self.dtype,
            attention=self.attention,
            scan=self.scan_layers,
            remat=self.remat,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """How levels are filled.

    Attributes:
      iterations: passes of each fine level, low to high; levels beyond take the last
        number. The paper's 16, 1, 1, ... (section 3.3) by default.
      temperature: of codes drawn in levels of several passes; 0 takes the likeliest.
        Levels of one pass always take the likeliest, as in the paper.
      confidence_noise: Gumbel noise on the ranking of places by confidence, which
        fades over a level's passes (MaskGIT, Chang et al. 2022); 0 for none.
    """

    iterations: tuple[int, ...] = (16, 1)
    temperature: float = 1.0
    confidence_noise: float = 0.0

    def __post_init__(self) -> None:
        if not self.iterations or min(self.iterations) < 1:
            raise errors.InputError(
                "DecodingConfig.iterations needs one pass or more a level; got "
                f"{self.iterations}."
            )
        if min(self.temperature, self.confidence_noise) < 0:
            raise errors.InputError(
                "DecodingConfig.temperature and .confidence_noise must not be "
                f"negative; got {self.temperature} and {self.confidence_noise}."
            )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "DecodingConfig":
        """Returns the config whose `dataclasses.asdict` went through JSON."""
        found: dict[str, Any] = dict(fields)
        found["iterations"] = tuple(found["iterations"])
        return cls(**found)

    def passes(self, fine_levels: int) -> tuple[int, ...]:
        """Returns the passes of each fine level."""
        last = self.iterations[-1:] * fine_levels
        return (self.iterations + last)[:fine_levels]
