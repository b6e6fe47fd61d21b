"""Frames: what goes in comes out, and any damage is seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrl_jax.core import layout
from musicrl_jax.transport import wire


def _frame():
    return wire.Frame(
        header={"actor": "a1", "seq": 3, "temperature": 0.99, "captions": ["café"]},
        arrays={
            "tokens": np.arange(24, dtype=np.int16).reshape(2, 3, 4),
            "rewards": np.float32([0.1, -2.5]),
            "empty": np.zeros((0, 5), np.int32),
        },
    )


def test_a_frame_comes_back_exactly():
    frame = wire.decode(wire.encode(_frame()))
    assert frame.header == _frame().header
    assert frame.arrays.keys() == _frame().arrays.keys()
    for name, array in _frame().arrays.items():
        assert frame.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(frame.arrays[name], array)


def test_the_same_frame_gives_the_same_bytes():
    assert wire.encode(_frame()) == wire.encode(_frame())


def test_every_single_bit_flip_is_seen():
    data = wire.encode(_frame())
    for index in range(len(data)):
        damaged = bytearray(data)
        damaged[index] ^= 1 << (index % 8)
        with pytest.raises(wire.FrameError):
            wire.decode(bytes(damaged))


def test_every_truncation_and_extension_is_seen():
    data = wire.encode(_frame())
    for size in range(len(data)):
        with pytest.raises(wire.FrameError):
            wire.decode(data[:size])
    with pytest.raises(wire.FrameError):
        wire.decode(data + b"\0")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_never_a_frame(data):
    with pytest.raises(wire.FrameError):
        wire.decode(data)


@pytest.mark.parametrize(
    "columns",
    [
        [["tokens", "<i2", [10**12]]],
        [["tokens", "<i2", [-1]]],
        [["tokens", "|O", [1]]],
        [["tokens", "<i2", [1]]],
        [["tokens", "<i2"]],
        "text",
        None,
    ],
)
def test_a_false_description_behind_a_right_checksum_is_seen(columns, monkeypatch):
    def dumps(text, **_):
        return json_dumps({"header": {}, "arrays": columns})

    json_dumps = wire.json.dumps
    monkeypatch.setattr(wire.json, "dumps", dumps)
    data = wire.encode(wire.Frame(header={}, arrays={"x": np.zeros(7, np.int16)}))
    monkeypatch.undo()
    with pytest.raises(wire.FrameError):
        wire.decode(data)


def test_other_dtypes_and_numbers_that_json_lacks_are_refused():
    with pytest.raises(wire.FrameError, match="float64"):
        wire.encode(wire.Frame(header={}, arrays={"x": np.zeros(2)}))
    with pytest.raises(wire.FrameError):
        wire.encode(wire.Frame(header={"x": float("nan")}, arrays={}))


def test_arrays_are_checked_against_the_schema():
    array = np.zeros((2, 3), np.int16)
    assert wire.check_array("x", array, np.int16, (None, 3)) is array
    for wrong in ((np.int32, (2, 3)), (np.int16, (2, 4)), (np.int16, (2,))):
        with pytest.raises(wire.FrameError, match="'x'"):
            wire.check_array("x", array, *wrong)
    with pytest.raises(wire.FrameError, match="missing"):
        wire.check_array("x", None, np.int16, (2,))


def test_tokens_are_checked_against_their_own_codebook():
    token_layout = layout.TokenLayout(
        streams=(
            layout.Stream(name="semantic", codebook_size=4),
            layout.Stream(name="coarse", codebook_size=2),
        )
    )
    wire.check_tokens(np.int16([[[3, 1]]]), token_layout)
    for tokens in ([[[1, 3]]], [[[4, 0]]], [[[0, -1]]]):
        with pytest.raises(wire.FrameError, match="codebook"):
            wire.check_tokens(np.int16(tokens), token_layout)
