"""The sizes of MusicLM."""

import dataclasses

from musicrl_jax.core import errors, layout
from musicrl_jax.nn import config as nn_config

NULL = -1
"""A conditioning token that stands for none."""


def make_layout(
    semantic_size: int = 256,
    coarse_size: int = 256,
    coarse_levels: int = 4,
    coarse_steps: int = 1,
    frame_rate_hz: float = 25.0,
) -> layout.TokenLayout:
    """Returns a layout of one semantic token and coarse acoustic tokens a frame.

    The defaults are the starter's; `coarse_size=1024, coarse_steps=2` is 1 + 2 x 4
    tokens at 25 Hz, 6,750 tokens in 30 s.
    """
    return layout.TokenLayout(
        streams=(
            layout.Stream(name="semantic", codebook_size=semantic_size),
            layout.Stream(
                name="coarse",
                codebook_size=coarse_size,
                levels=coarse_levels,
                steps_per_frame=coarse_steps,
            ),
        ),
        frame_rate_hz=frame_rate_hz,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MusicLMConfig:
    """Sizes of the temporal and the depth transformer.

    Attributes:
      width: features of the temporal transformer.
      heads: its attention heads.
      layers: its layers.
      depth_width: features of the depth transformer.
      depth_heads: its attention heads.
      depth_layers: its layers.
      mlp_ratio: hidden features of each MLP over the width.
      window_frames: frames that attention sees, the newest included (10 s at 25 Hz).
      conditioning_tokens: MuLan tokens of a clip, the length of axis k.
      conditioning_size: entries of each MuLan codebook.
      null_conditioning: whether the network has a learned prefix that stands for no
        conditioning (tokens of -1), which `guidance` needs.
      dtype: "float32" or "bfloat16", of activations.
      scan_layers: whether layers are a compiled loop (deep stacks, accelerators).
      remat: whether the backward pass recomputes the layers' activations.
      attention: kernel of whole sequences, one of `nn.attention_kernels`.
    """

    width: int = 192
    heads: int = 6
    layers: int = 4
    depth_width: int = 96
    depth_heads: int = 4
    depth_layers: int = 1
    mlp_ratio: float = 4.0
    window_frames: int = 250
    conditioning_tokens: int = 12
    conditioning_size: int = 256
    null_conditioning: bool = False
    dtype: str = "float32"
    scan_layers: bool = False
    remat: bool = False
    attention: str = "einsum"

    def __post_init__(self) -> None:
        for field in ("window_frames", "conditioning_tokens", "conditioning_size"):
            if getattr(self, field) < 1:
                raise errors.InputError(
                    f"MusicLMConfig.{field} must be at least 1; "
                    f"got {getattr(self, field)}."
                )
        # Built here so that impossible sizes fail with the config.
        _ = self.temporal_block, self.depth_block

    @property
    def temporal_block(self) -> nn_config.BlockConfig:
        """The block of the temporal transformer."""
        return nn_config.BlockConfig(
            width=self.width,
            heads=self.heads,
            mlp_ratio=self.mlp_ratio,
            dtype=self.dtype,
            attention=self.attention,
            layers=self.layers,
        )

    @property
    def depth_block(self) -> nn_config.BlockConfig:
        """The block of the depth transformer; it knows places by embeddings."""
        return nn_config.BlockConfig(
            width=self.depth_width,
            heads=self.depth_heads,
            mlp_ratio=self.mlp_ratio,
            rotary=False,
            dtype=self.dtype,
            layers=self.depth_layers,
        )
