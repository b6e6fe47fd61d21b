"""A digest for each leaf of a tree, the same on every mesh.

Checkpoint formats do not notice a flipped bit; these numbers do. They are two modular
sums over the leaf's words, weighted by position, so that they can be computed where
the shards lie and in any order. The weights are odd: flipping one bit always changes
the first sum.
"""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, UInt32

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeafDigest:
    """What a leaf was when it was saved.

    Attributes:
      value: 16 hexadecimal digits.
      dtype: name of its dtype, such as "float32" or "key<fry>".
      shape: of the leaf.
    """

    value: str
    dtype: str
    shape: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TreeDigest:
    """The digests of a tree by "/"-joined path."""

    leaves: Mapping[str, LeafDigest]

    @functools.cached_property
    def summary(self) -> str:
        """One digest of them all: of values, dtypes, shapes and names."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def to_dict(self) -> dict[str, list[object]]:
        """Returns what JSON can hold."""
        return {
            name: [leaf.value, leaf.dtype, list(leaf.shape)]
            for name, leaf in self.leaves.items()
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Sequence[Any]]) -> "TreeDigest":
        """Returns the digest that `to_dict` wrote."""
        return cls(
            leaves={
                name: LeafDigest(value=str(value), dtype=str(dtype), shape=tuple(shape))
                for name, (value, dtype, shape) in fields.items()
            }
        )

    def differences(self, other: "TreeDigest") -> list[str]:
        """Returns the paths of leaves whose values are not `other`'s."""
        names = self.leaves.keys() | other.leaves.keys()
        return sorted(n for n in names if self.leaves.get(n) != other.leaves.get(n))

    def check_tree(self, expected: PyTree, what: str) -> None:
        """Makes sure that `expected` has just these leaves, in these shapes.

        Raises:
          InputError: where it has not; the text begins with `what`.
        """
        wanted = weights.named_leaves(expected)
        for name in sorted(wanted.keys() | self.leaves.keys()):
            have = tuple(self.leaves[name].shape) if name in self.leaves else "no leaf"
            want = tuple(wanted[name].shape) if name in wanted else "no leaf"
            if have != want:
                raise errors.InputError(
                    f"{what} has {have} at {name!r} where this configuration has "
                    f"{want}. Use the configuration that it was made with."
                )


def digest_tree(tree: PyTree) -> TreeDigest:
    """Returns the digests of a tree of arrays, sharded or not."""
    named = weights.named_leaves(tree)
    # Each leaf is waited for: where several programs sum over devices at a time, the
    # CPU backend's few threads may wait for one another until it aborts.
    sums = {name: jax.device_get(_sums(_plain(leaf))) for name, leaf in named.items()}
    return TreeDigest(
        leaves={
            name: LeafDigest(
                value="".join(f"{int(number):08x}" for number in sums[name]),
                dtype=str(leaf.dtype),
                shape=tuple(leaf.shape),
            )
            for name, leaf in named.items()
        }
    )


def _plain(leaf: jax.Array | np.ndarray) -> jax.Array:
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(leaf)
    return jnp.asarray(leaf)


@jax.jit
def _sums(leaf: Array) -> UInt32[Array, " 2"]:
    words = _words(leaf)
    index = jnp.zeros(words.shape, jnp.uint32)
    for axis, stride in enumerate(_strides(words.shape)):
        index += jax.lax.broadcasted_iota(jnp.uint32, words.shape, axis) * stride
    weights_of_words = _scramble(index) | jnp.uint32(1)
    mixed = _scramble(words ^ (index * np.uint32(0x9E3779B1)))
    return jnp.stack(
        [
            jnp.sum(words * weights_of_words, dtype=jnp.uint32),
            jnp.sum(mixed, dtype=jnp.uint32),
        ]
    )


def _words(leaf: Array) -> UInt32[Array, "..."]:
    """Returns the leaf's bits as 32-bit words; narrower numbers take a word each."""
    if leaf.dtype == jnp.bool_:
        return leaf.astype(jnp.uint32)
    bits = {1: jnp.uint8, 2: jnp.uint16}.get(leaf.dtype.itemsize, jnp.uint32)
    return jax.lax.bitcast_convert_type(leaf, bits).astype(jnp.uint32)


def _strides(shape: tuple[int, ...]) -> list[np.uint32]:
    return [
        np.uint32(math.prod(shape[axis + 1 :]) & 0xFFFFFFFF)
        for axis in range(len(shape))
    ]


def _scramble(words: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """Returns a bijection of 32-bit words in which each bit depends on each."""
    words = (words ^ (words >> 16)) * np.uint32(0x85EBCA6B)
    words = (words ^ (words >> 13)) * np.uint32(0xC2B2AE35)
    return words ^ (words >> 16)
