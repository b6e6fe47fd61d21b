"""A semantic tokenizer that is small enough for any test."""

from musicrl_jax.models.semantic import config

SIZES = config.SemanticConfig(
    fft_size=640,
    num_mels=8,
    width=16,
    blocks=2,
    kernel=3,
    token_block=1,
    clusters=6,
    targets=2,
    target_size=8,
    target_width=4,
    mask_frames=3,
)
