"""A clip comes back from its bytes, and from no others."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from musicrl_jax.data import manifest, token_records

ids = strategies.integers(0, 32_767)
sizes = strategies.integers(1, 9)
texts = strategies.text(min_size=1).filter(str.strip)


def clip(captions=(), **fields):
    row = manifest.ClipRow(
        path="ワルツ.flac",
        duration_seconds=4.0,
        sample_rate_hz=16_000,
        captions=tuple(captions),
        attributes={"genre": "waltz"},
        split="held_out",
        licence="CC0-1.0",
    )
    codes = {"tokens": (4, 3), "audio_codes": (2, 5), "text_codes": (len(captions), 5)}
    plain = {name: np.ones(shape, np.int16) for name, shape in codes.items()}
    return token_records.TokenClip(row=row, **(plain | fields))


@hypothesis.given(
    tokens=arrays.arrays(np.int16, strategies.tuples(sizes, sizes), elements=ids),
    captions=strategies.lists(texts, max_size=4),
)
def test_a_clip_comes_back(tokens, captions):
    before = clip(captions, tokens=tokens)
    data = token_records.encode(before)
    after = token_records.decode(data)
    assert after.row == before.row
    for name in ("tokens", "audio_codes", "text_codes"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert token_records.encode(after) == data


@pytest.mark.parametrize("size", [0, 10, 40, 70, 90])
def test_part_of_a_clip_is_refused(size):
    with pytest.raises(ValueError, match=r"bytes|buffer|line 1"):
        token_records.decode(token_records.encode(clip(["a"]))[:size])
