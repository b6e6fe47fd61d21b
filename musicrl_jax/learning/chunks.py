"""Axis f in equal pieces, for scans that hold the logits of one piece at a time."""

import math
import typing

import jax
import jax.numpy as jnp
from jaxtyping import Array

Tree = typing.TypeVar("Tree")


def cut(frames: Tree, chunk_frames: int) -> Tree:
    """Turns every `[b, f, ...]` of a tree into `[pieces, b, c, ...]`.

    Pieces are as equal as can be and c <= chunk_frames; zeros fill the last one up.
    """

    def cut_one(x: Array) -> Array:
        pieces, size = _pieces(x.shape[1], chunk_frames)
        padding = [(0, 0), (0, pieces * size - x.shape[1])] + [(0, 0)] * (x.ndim - 2)
        split = jnp.pad(x, padding).reshape(x.shape[0], pieces, size, *x.shape[2:])
        return jnp.moveaxis(split, 1, 0)

    return jax.tree.map(cut_one, frames)


def join(pieces: Tree, num_frames: int) -> Tree:
    """Undoes `cut`: `[pieces, b, c, ...]` to `[b, num_frames, ...]`."""

    def join_one(x: Array) -> Array:
        whole = jnp.moveaxis(x, 0, 1)
        shape = (whole.shape[0], whole.shape[1] * whole.shape[2], *whole.shape[3:])
        return whole.reshape(shape)[:, :num_frames]

    return jax.tree.map(join_one, pieces)


def _pieces(num_frames: int, chunk_frames: int) -> tuple[int, int]:
    """Returns how many pieces there are, and the frames of each."""
    pieces = math.ceil(num_frames / chunk_frames)
    return pieces, math.ceil(num_frames / pieces)
