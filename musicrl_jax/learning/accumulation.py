"""A batch's gradient as the mean of its parts' gradients."""

import typing
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

Batch = typing.TypeVar("Batch")
Gradient = typing.TypeVar("Gradient")
PerClip = typing.TypeVar("PerClip")


def accumulate(
    gradient_of: Callable[[Batch], tuple[Gradient, PerClip]], batch: Batch, parts: int
) -> tuple[Gradient, PerClip]:
    """Returns what `gradient_of(batch)` returns, computed one part after another.

    Args:
      gradient_of: returns a mean over clips, and a tree of arrays `[b, ...]`.
      batch: a tree of arrays `[b, ...]`.
      parts: how many; must divide b.
    """
    if parts == 1:
        return gradient_of(batch)
    split = jax.tree.map(lambda x: _deal(x, parts), batch)
    first = jax.tree.map(lambda x: x[0], split)
    shapes, _ = jax.eval_shape(gradient_of, first)
    start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def add(total: Gradient, part: Batch) -> tuple[Gradient, PerClip]:
        gradient, per_clip = gradient_of(part)
        return jax.tree.map(jnp.add, total, gradient), per_clip

    total, per_clip = jax.lax.scan(add, start, split)
    return jax.tree.map(lambda x: x / parts, total), jax.tree.map(_gather, per_clip)


def _deal(x: Array, parts: int) -> Array:
    """Turns `[b, ...]` into `[parts, b / parts, ...]`, dealing clips out like cards.

    A device's clips are neighbours, so each part has its share on every device.
    """
    dealt = x.reshape(x.shape[0] // parts, parts, *x.shape[1:])
    return jnp.swapaxes(dealt, 0, 1)


def _gather(x: Array) -> Array:
    """Undoes `_deal`."""
    return jnp.swapaxes(x, 0, 1).reshape(x.shape[0] * x.shape[1], *x.shape[2:])
