"""A clip of the tokenised corpus as the bytes of one record.

    sizes 5 x 4 | tokens | audio codes | text codes | manifest row as JSON

Numbers are little-endian; the arrays are int16. The file around the record has the
checksums.
"""

import dataclasses
import json
import math
import struct as binary

import numpy as np
from jaxtyping import Int16

from musicrl_jax.data import manifest

_SIZES = binary.Struct("<5I")
_DTYPE = np.dtype("<i2")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenClip:
    """One clip.

    Attributes:
      row: its manifest row.
      tokens: its ids, by the token layout.
      audio_codes: conditioning tokens of windows of its sound.
      text_codes: conditioning tokens of its captions, in the order of the row.
    """

    row: manifest.ClipRow
    tokens: Int16[np.ndarray, "f q"]
    audio_codes: Int16[np.ndarray, "a k"]
    text_codes: Int16[np.ndarray, "t k"]


def encode(clip: TokenClip) -> bytes:
    """Returns the record of a clip; the same clip always gives the same bytes."""
    arrays = (clip.tokens, clip.audio_codes, clip.text_codes)
    sizes = (*clip.tokens.shape, *clip.audio_codes.shape, len(clip.text_codes))
    row = json.dumps(dataclasses.asdict(clip.row), ensure_ascii=False, sort_keys=True)
    parts = [np.ascontiguousarray(array, _DTYPE).tobytes() for array in arrays]
    return b"".join([_SIZES.pack(*sizes), *parts, row.encode()])


def decode(record: bytes) -> TokenClip:
    """Returns the clip of a record; its arrays share the record's memory.

    Raises:
      ValueError: where the bytes are no such record.
    """
    try:
        frames, width, windows, codes, texts = _SIZES.unpack_from(record)
    except binary.error as error:
        raise ValueError(f"{len(record)} bytes are no clip") from error
    arrays, start = [], _SIZES.size
    for shape in ((frames, width), (windows, codes), (texts, codes)):
        flat = np.frombuffer(record, _DTYPE, math.prod(shape), start)
        arrays.append(flat.reshape(shape))
        start += flat.nbytes
    fields = json.loads(record[start:])
    row = manifest.ClipRow(**(fields | {"captions": tuple(fields["captions"])}))
    tokens, audio_codes, text_codes = arrays
    return TokenClip(
        row=row, tokens=tokens, audio_codes=audio_codes, text_codes=text_codes
    )
