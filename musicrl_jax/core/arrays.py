"""Axis letters of every signature in the package, three aliases, and a reduction.

A letter means the same in every file:

    b  clips in a batch            f  frames of a clip (25 Hz by default)
    q  tokens of one frame         v  entries of the largest codebook
    t  tokens of a clip, f * q     k  conditioning tokens (MuLan codes)
    n  audio samples               m  mel bands
    l  codec levels (RVQ)          w  text tokens of a caption
    d  features of a state         e  features of a joint embedding, or of a head
    h  attention heads             s  places that attention looks at
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Params = Mapping[str, Any]
"""A tree of parameters: nested mappings with arrays at the leaves."""

Tree = Any
"""Any tree whose leaves are arrays (or shapes, or shardings), of any structure."""

Size = Any
"""The length of an axis: an int, or a symbol while a program is exported."""


def largest(scores: Float[Array, "*n v"]) -> Int[Array, "*n"]:
    """Returns the index of the first of the largest scores; the last for no number.

    `argmax` in two reductions: XLA's CPU backend takes five times as long for one.
    """
    best = scores >= jnp.max(scores, axis=-1, keepdims=True)
    last = scores.shape[-1] - 1
    index = jnp.arange(last + 1, dtype=jnp.int32).reshape(
        (1,) * (scores.ndim - 1) + (-1,)
    )
    return jnp.min(jnp.where(best, index, last), axis=-1)
