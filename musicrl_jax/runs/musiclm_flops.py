"""Closed forms of MusicLM's work, against which compiled programs are held.

A product of [m, k] and [k, n] is 2 m k n FLOPs. Embeddings, norms and softmaxes are not
counted.
"""

import dataclasses
from typing import Literal

from musicrl_jax.core import layout as layouts
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.nn import attention_kernels

Scored = Literal["seen", "pieces", "all"]
"""What a place may see, which is the work that the mathematics needs; what the kernel
`einsum` scores, whose pieces are somewhat larger; or all places of the clip."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipFlops:
    """FLOPs of one forward pass over one clip.

    Attributes:
      trunk: kernels and attention of both transformers.
      last: of these, the last kernel of each block, which recomputation leaves out.
      heads: logits of all tokens.
    """

    trunk: float
    last: float
    heads: float


def forward(
    config: musiclm_config.MusicLMConfig,
    layout: layouts.TokenLayout,
    frames: int,
    *,
    scored: Scored,
) -> ClipFlops:
    """Returns the FLOPs of a forward pass over a clip of `frames` frames.

    Args:
      config: sizes.
      layout: of the tokens.
      frames: of the clip.
      scored: the places that attention counts, see `Scored`.
    """
    places = frames + config.conditioning_tokens
    tokens = layout.tokens_per_frame
    width, depth = config.width, config.depth_width
    kernels = 2 * (4 + 2 * config.mlp_ratio)
    temporal = places * kernels * width**2 * config.layers
    temporal += _attention(config, frames, scored=scored) * config.layers
    # The conditioning's two kernels, and the states' projection to the depth's width.
    between = 4 * width**2 + frames * 2 * width * depth
    within = frames * tokens * kernels * depth**2 * config.depth_layers
    seen = (tokens + 1) / 2 if scored == "seen" else tokens
    within += frames * tokens * 4 * seen * depth * config.depth_layers
    last = places * width**2 * config.layers
    last += frames * tokens * depth**2 * config.depth_layers
    return ClipFlops(
        trunk=temporal + between + within,
        last=2 * config.mlp_ratio * last,
        heads=2.0 * frames * tokens * depth * layout.vocabulary_size,
    )


def _attention(
    config: musiclm_config.MusicLMConfig, frames: int, *, scored: Scored
) -> float:
    """Returns the FLOPs of scores and sums of one temporal layer."""
    prefix = config.conditioning_tokens
    if scored == "all":
        return 4.0 * (frames + prefix) ** 2 * config.width
    window = min(config.window_frames, frames)
    if scored == "pieces":
        mask = attention_kernels.PrefixWindow(
            prefix=prefix, steps=frames, window=window
        )
        scores = sum(
            (piece.end - piece.start) * (prefix + piece.end - piece.reach)
            for piece in mask.pieces()
        )
        return 4.0 * scores * config.width
    ramp = window * (window + 1) / 2
    seen = ramp + (frames - window) * window + (frames + prefix) * prefix
    return 4.0 * seen * config.width


def update(forward_pass: ClipFlops, *, remat: bool, value: bool) -> float:
    """Returns the FLOPs of one clip's part of a KL-REINFORCE update.

    The policy goes forward and backward (twice the forward work), the reference
    forward, the value forward and backward. With `remat` the trunks' blocks go forward
    once more, but for their last kernel; that is executed but not useful work.
    """
    trained = 2 if value else 1
    again = forward_pass.trunk - forward_pass.last if remat else 0.0
    trunks = trained * (3 * forward_pass.trunk + again) + forward_pass.trunk
    return trunks + 4 * forward_pass.heads
