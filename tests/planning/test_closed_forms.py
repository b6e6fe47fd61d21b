"""FLOPs of the actor's traced programs at tiny size, against closed forms.

A product of [m, k] and [k, n] is 2 m k n; a convolution has as many for each output
and each of its taps. What is elementwise, and spectra, do not count.
"""

import pytest

from musicrl_jax.acting import config as acting_config
from musicrl_jax.audio import windows
from musicrl_jax.core import sharding
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.models.soundstream import config as soundstream_config
from musicrl_jax.planning import lowered
from musicrl_jax.runs import plan_config, plan_programs

CLIPS = 4
CONFIG = plan_config.PlanConfig(
    topology="cpu:1",
    clip_seconds=4.0,
    layout=musiclm_config.make_layout(16, 16, coarse_levels=2),
    musiclm=musiclm_config.MusicLMConfig(
        width=24,
        heads=2,
        layers=2,
        depth_width=16,
        depth_heads=2,
        depth_layers=2,
        window_frames=40,
        conditioning_tokens=3,
        conditioning_size=16,
    ),
    mulan=mulan_config.MulanConfig(
        vocabulary_size=64,
        text_width=8,
        text_heads=2,
        num_mels=16,
        audio_widths=(8, 16),
        audio_blocks=2,
        embedding=16,
        conditioning_tokens=3,
        codebook_size=16,
    ),
    quality=quality_config.QualityConfig(
        fft_size=512, num_mels=16, channels=(8, 12), width=16, blocks=2
    ),
    codec=soundstream_config.SoundStreamConfig(
        sample_rate_hz=16_000,
        width=4,
        strides=(4, 4, 5, 8),
        dilations=(1, 3),
        kernel=3,
        levels=2,
        codebook_size=16,
        code_width=8,
    ),
    actor=acting_config.ActorConfig(clips=CLIPS),
)


def counted(program):
    mesh = sharding.abstract_mesh(plan_programs.mesh_of(CONFIG, program), 1)
    return lowered.flops(plan_programs.build(CONFIG, program, mesh).traced())


def sampling():
    """Returns the products of sampling one clip, cache and all."""
    sizes, layout, frames = CONFIG.musiclm, CONFIG.layout, CONFIG.frames
    width, depth, prefix = sizes.width, sizes.depth_width, sizes.conditioning_tokens
    tokens = layout.tokens_per_frame
    block = 4 + 2 * sizes.mlp_ratio
    # A frame meets every slot of the ring, whether it is filled or not.
    ring = min(sizes.window_frames, frames)
    attention = 2 * width * (frames * (ring + prefix) + prefix**2)
    temporal = sizes.layers * ((frames + prefix) * block * width**2 + attention)
    within = sizes.depth_layers * (block * depth**2 + 2 * depth * tokens)
    heads = depth * layout.vocabulary_size
    condition = 2 * width**2 + frames * width * depth
    return 2 * (temporal + condition + frames * tokens * (within + heads))


def decoding():
    """Returns the products of the codec's decoder for one clip."""
    codec = CONFIG.codec
    frames = round(CONFIG.clip_seconds * codec.sample_rate_hz) // 640
    wide = codec.width * 2 ** len(codec.strides)
    total = frames * codec.kernel * codec.code_width * wide
    for number, stride in reversed(list(enumerate(codec.strides))):
        width = codec.width * 2**number
        total += frames * 2 * wide * width * stride
        frames, wide = frames * stride, width
        total += frames * len(codec.dilations) * (codec.kernel + 1) * width**2
    return 2 * (total + frames * codec.kernel * codec.width)


def adherence(samples):
    """Returns the products of MuLan's audio tower for the thirds of a clip."""
    sizes = CONFIG.mulan
    heard = windows.thirds(samples)[0]
    frames = (heard.stop - heard.start) // sizes.hop
    total, before = frames * (sizes.fft_size // 2 + 1) * sizes.num_mels, sizes.num_mels
    for width in sizes.audio_widths:
        # 4 taps, of which the outermost fall off the ends.
        outputs = -(-frames // 2)
        total += outputs * 4 * before * width
        total += sizes.audio_blocks * outputs * 2 * 3 * width**2
        frames, before = outputs, width
    total += 2 * before * sizes.embedding + sizes.embedding
    return 3 * 2 * total


def opinion(samples):
    """Returns the products of the quality estimator for both windows of a clip."""
    sizes = CONFIG.quality
    heard = windows.first_last(samples)[0]
    frames, bands, before = (heard.stop - heard.start) // sizes.hop, sizes.num_mels, 1
    total = frames * (sizes.fft_size // 2 + 1) * bands
    for channels in sizes.channels:
        frames, bands = -(-frames // 2), bands // 2
        total += frames * bands * 9 * before * channels
        before = channels
    total += frames * bands * before * sizes.width
    total += sizes.blocks * frames * 2 * 3 * sizes.width**2
    total += 3 * sizes.width**2 + sizes.width
    return 2 * 2 * total


def test_sampling_does_what_the_closed_form_says():
    assert counted("sample") == pytest.approx(CLIPS * sampling(), rel=0.05)


def test_rewards_do_what_the_closed_form_says():
    samples = round(CONFIG.clip_seconds * CONFIG.codec.sample_rate_hz)
    each = decoding() + adherence(samples) + opinion(samples)
    assert counted("rewards") == pytest.approx(CLIPS * each, rel=0.05)
