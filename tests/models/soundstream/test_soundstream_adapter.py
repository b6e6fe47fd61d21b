"""The codec in pieces and whole: codes, samples, levels, weights file, bad input."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors, protocols
from musicrl_jax.models.soundstream import adapter, config, network

SIZES = config.SoundStreamConfig(
    sample_rate_hz=16_000,
    width=4,
    strides=(2, 3),
    dilations=(1, 3),
    kernel=3,
    levels=3,
    codebook_size=8,
    code_width=4,
    piece_frames=5,
)
FRAMES, FRAME = 13, 6
CODEC = adapter.make_codec(SIZES)


@functools.cache
def params():
    made = jax.jit(network.init, static_argnums=0)(SIZES, jax.random.key(0))
    shape = (SIZES.levels, SIZES.codebook_size, SIZES.code_width)
    books = jax.random.normal(jax.random.key(1), shape)
    return made | {"codebooks": books * 0.5 ** jnp.arange(3)[:, None, None]}


def waveform(clips=2):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=(clips, FRAMES * FRAME)), jnp.float32)


def test_it_is_a_codec():
    assert isinstance(CODEC, protocols.Codec)
    assert CODEC.samples_per_frame == FRAME
    codes = CODEC.encode(params(), waveform())
    assert codes.shape == (2, FRAMES, 3)
    assert len(np.unique(np.asarray(codes[..., 0]))) > 2
    decoded = CODEC.decode(params(), codes)
    assert decoded.shape == waveform().shape
    assert np.abs(decoded).max() <= 1.0
    assert np.std(decoded) > 0.01


def test_pieces_of_long_clips_equal_one_call():
    whole = adapter.make_codec(dataclasses.replace(SIZES, piece_frames=100))
    codes = CODEC.encode(params(), waveform())
    np.testing.assert_array_equal(codes, whole.encode(params(), waveform()))
    np.testing.assert_allclose(
        CODEC.decode(params(), codes), whole.decode(params(), codes), atol=1e-5
    )


@pytest.mark.parametrize("pieces", [(1, 12), (5, 8), (1, 2, 3, 7)])
def test_stream_equals_the_whole_clip(pieces):
    whole = CODEC.encode(params(), waveform())
    samples = CODEC.decode(params(), whole)
    state, codes, decoded, start = CODEC.init_stream(2), [], [], 0
    for size in pieces:
        part = waveform()[:, start * FRAME : (start + size) * FRAME]
        made, state = CODEC.encode_stream(params(), state, part)
        heard, state = CODEC.decode_stream(params(), state, made)
        codes.append(made)
        decoded.append(heard)
        start += size
    np.testing.assert_array_equal(np.concatenate(codes, axis=1), whole)
    np.testing.assert_allclose(np.concatenate(decoded, axis=1), samples, atol=1e-5)


def test_any_number_of_levels_decodes_and_clips_do_not_mix():
    codes = CODEC.encode(params(), waveform())
    outputs = [CODEC.decode(params(), codes[..., :n]) for n in (1, 2, 3)]
    assert all(np.ptp(a - b) > 1e-3 for a, b in itertools.pairwise(outputs))
    alone = CODEC.decode(params(), codes[1:])
    np.testing.assert_allclose(outputs[-1][1:], alone, atol=1e-5)
    with pytest.raises(errors.InputError, match="1 to 3 levels"):
        CODEC.decode(params(), jnp.tile(codes, (1, 1, 2)))


@pytest.mark.parametrize("samples", [0, 7, FRAME * 2 + 1])
def test_waveforms_of_half_a_frame_are_refused(samples):
    with pytest.raises(errors.InputError, match="multiples of 6"):
        CODEC.encode(params(), jnp.zeros((1, samples)))


def test_recordings_are_checked_before_they_are_encoded():
    good = np.asarray(waveform())
    whole = CODEC.checked(good[:, :-1], 16_000)
    np.testing.assert_array_equal(whole, good[:, : 12 * FRAME])
    with pytest.raises(errors.InputError, match="16000 Hz; got 44100"):
        CODEC.checked(good, 44_100)
    with pytest.raises(errors.InputError, match="finite"):
        CODEC.checked(np.where(good > 2, np.nan, good), 16_000)
    with pytest.raises(errors.InputError, match="at least 6 samples; got 5"):
        CODEC.checked(good[:, :5], 16_000)


def test_weights_file_gives_the_same_codec(tmp_path):
    path = tmp_path / "codec.safetensors"
    fields = dataclasses.asdict(SIZES)
    weights.save_weights(path, params(), "soundstream", fields, dtype=np.float32)
    _, read = weights.read_config(path)
    again = config.from_fields(read)
    assert again == SIZES
    back = weights.load_weights(path, adapter.abstract_params(again))
    np.testing.assert_array_equal(
        CODEC.encode(params(), waveform()),
        adapter.make_codec(again).encode(back, waveform()),
    )


def test_bit_rate_of_musiclms_codec_is_six_kilobits():
    base = config.SoundStreamConfig()
    assert base.bits_per_second == 6000
    assert base.sample_rate_hz / base.samples_per_frame == 50


@pytest.mark.parametrize(
    "bad", [{"levels": 0}, {"strides": ()}, {"strides": (2, 0)}, {"width": -1}]
)
def test_config_refuses(bad):
    with pytest.raises(errors.InputError, match=f"SoundStreamConfig.{next(iter(bad))}"):
        config.SoundStreamConfig(**bad)
