"""Framed objects: a JSON header and raw arrays behind a checksum.

    magic 4 | version 2 | header length 4 | arrays length 8 | crc32 4 | header | arrays

Numbers are little-endian; the checksum is over everything but itself. Lengths are
checked against the object before anything is allocated or parsed, and shapes and
dtypes before an array is made, so that a damaged or hostile object costs nothing.
"""

import dataclasses
import json
import math
import struct as binary
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musicrl_jax.core import layout as layouts

_MAGIC = b"MRLT"
_VERSION = 1
_PREFIX = binary.Struct("<4sHIQ")
_CHECKSUM = binary.Struct("<I")
_START = _PREFIX.size + _CHECKSUM.size
_DTYPES = ("<i2", "<i4", "<i8", "<f4", "|u1")


class FrameError(ValueError):
    """The bytes are not a whole frame, or its content breaks the schema."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """What one object says.

    Attributes:
      header: JSON values by name.
      arrays: read-only arrays by name.
    """

    header: Mapping[str, object]
    arrays: Mapping[str, np.ndarray]


def encode(frame: Frame) -> bytes:
    """Returns the object of `frame`; the same frame always gives the same bytes.

    Raises:
      FrameError: where JSON cannot hold the header, or an array's dtype is not one of
        int16, int32, int64, float32 and uint8.
    """
    columns = []
    parts = []
    for name, array in sorted(frame.arrays.items()):
        contiguous = np.ascontiguousarray(array)
        dtype = contiguous.dtype.newbyteorder("<").str
        if dtype not in _DTYPES:
            raise FrameError(f"array {name!r} is {array.dtype}, not one of {_DTYPES}")
        columns.append([name, dtype, list(array.shape)])
        parts.append(contiguous.astype(dtype, copy=False).tobytes())
    text = {"header": dict(frame.header), "arrays": columns}
    try:
        head = json.dumps(text, sort_keys=True, allow_nan=False).encode()
    except (ValueError, TypeError) as error:
        raise FrameError(f"the header is not JSON: {error}") from error
    body = b"".join(parts)
    prefix = _PREFIX.pack(_MAGIC, _VERSION, len(head), len(body))
    checksum = zlib.crc32(body, zlib.crc32(head, zlib.crc32(prefix)))
    return prefix + _CHECKSUM.pack(checksum) + head + body


def decode(data: bytes) -> Frame:
    """Returns the frame in `data`; its arrays share the memory of `data`.

    Raises:
      FrameError: where `data` is not what `encode` gave, down to a single bit.
    """
    if len(data) < _START:
        raise FrameError(f"{len(data)} bytes are too few for a frame")
    magic, version, head_size, body_size = _PREFIX.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise FrameError(f"magic {magic!r} version {version} are not of this format")
    if len(data) != _START + head_size + body_size:
        raise FrameError(
            f"{len(data)} bytes, but the frame says {_START + head_size + body_size}"
        )
    view = memoryview(data)
    (checksum,) = _CHECKSUM.unpack_from(data, _PREFIX.size)
    if zlib.crc32(view[_START:], zlib.crc32(view[: _PREFIX.size])) != checksum:
        raise FrameError("the checksum does not match")
    try:
        text = json.loads(bytes(view[_START : _START + head_size]))
        header, columns = text["header"], text["arrays"]
        arrays = _arrays(columns, view[_START + head_size :])
    except (ValueError, KeyError, TypeError) as error:
        raise FrameError(f"the header cannot be read: {error}") from error
    return Frame(header=header, arrays=arrays)


def check_array(
    name: str,
    array: np.ndarray | None,
    dtype: np.dtype | type[np.generic],
    shape: tuple[int | None, ...],
) -> np.ndarray:
    """Returns `array` if it has `dtype` and `shape`, where None is any length.

    Raises:
      FrameError: where it is missing or different.
    """
    if array is None:
        raise FrameError(f"array {name!r} is missing")
    fits = len(array.shape) == len(shape) and all(
        want is None or have == want
        for have, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        found, wanted = f"{array.dtype}{array.shape}", f"{np.dtype(dtype)}{shape}"
        raise FrameError(f"array {name!r} is {found}, not {wanted}")
    return array


def check_tokens(tokens: np.ndarray, token_layout: layouts.TokenLayout) -> None:
    """Raises FrameError unless each id `[n, f, q]` is below its position's codebook."""
    sizes = np.asarray(token_layout.codebook_sizes)
    if tokens.size and (tokens.min() < 0 or (tokens.max(axis=(0, 1)) >= sizes).any()):
        raise FrameError("a token lies outside its position's codebook")


def _arrays(columns: Sequence[Any], body: memoryview) -> dict[str, np.ndarray]:
    arrays = {}
    offset = 0
    for name, dtype, shape in columns:
        if dtype not in _DTYPES or any(size < 0 for size in shape):
            raise FrameError(f"array {name!r} is said to be {dtype}{shape}")
        count = math.prod(shape)
        size = count * np.dtype(dtype).itemsize
        if offset + size > len(body):
            raise FrameError(f"array {name!r} runs over the end")
        flat = np.frombuffer(body, dtype, count=count, offset=offset)
        arrays[name] = flat.reshape(shape)
        offset += size
    if offset != len(body):
        raise FrameError(f"{len(body) - offset} bytes belong to no array")
    return arrays
