"""Keys and values of the past: fixed slots for a prefix, then a ring."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from musicrl_jax.core.struct import struct


@struct
class KeyValueCache:
    """Keys and values that one attention layer may look at.

    Heads come before slots, so that a step reads contiguous memory.
    """

    keys: Float[Array, "b h s e"]
    values: Float[Array, "b h s e"]


def reserve(
    keys: Float[Array, "b h p e"], values: Float[Array, "b h p e"], slots: int
) -> KeyValueCache:
    """Returns a cache that holds a prefix and has `slots` empty places behind it."""
    width = ((0, 0), (0, 0), (0, slots), (0, 0))
    return KeyValueCache(keys=jnp.pad(keys, width), values=jnp.pad(values, width))


def write(
    cache: KeyValueCache,
    slot: Int[Array, ""],
    keys: Float[Array, "b h 1 e"],
    values: Float[Array, "b h 1 e"],
) -> KeyValueCache:
    """Returns the cache with one slot overwritten (in place under jit)."""
    put = jax.lax.dynamic_update_slice_in_dim
    return KeyValueCache(
        keys=put(cache.keys, keys, slot, axis=2),
        values=put(cache.values, values, slot, axis=2),
    )


def ring_slot(step: Int[Array, ""], prefix: int, ring: int) -> Int[Array, ""]:
    """Returns the slot of `step`: the ring begins after the prefix."""
    return prefix + step % ring


def visible(step: Int[Array, ""], prefix: int, ring: int) -> Bool[Array, " s"]:
    """Returns the slots that hold something once `step` is written.

    Those are the prefix and the newest `ring` steps, `step` itself included.
    """
    return jnp.arange(prefix + ring) <= prefix + step
