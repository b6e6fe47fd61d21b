"""Named, step-folded random streams.

A new consumer takes a new name and shifts nobody; a restart at step n repeats step n.
"""

import zlib

import jax
from jaxtyping import Array, Key


def stream(root: Key[Array, ""], name: str, step: int | Array = 0) -> Key[Array, ""]:
    """Returns the key of `name` at `step`; the same after a restart."""
    named = jax.random.fold_in(root, zlib.crc32(name.encode()))
    return jax.random.fold_in(named, step)


def clip_keys(
    root: Key[Array, ""], name: str, first: int, count: int
) -> Key[Array, " b"]:
    """Returns one key for each clip number `first ... first + count - 1`.

    A clip's key depends on its number alone, so neither does its sample on the batch
    that it is drawn in.
    """
    numbers = first + jax.numpy.arange(count)
    named = jax.random.fold_in(root, zlib.crc32(name.encode()))
    return jax.vmap(lambda number: jax.random.fold_in(named, number))(numbers)
