"""The one decorator for trees of arrays."""

import typing

import chex

T = typing.TypeVar("T")


@typing.dataclass_transform(frozen_default=True, kw_only_default=True)
def struct(cls: type[T]) -> type[T]:
    """Makes `cls` a frozen, keyword-only dataclass that JAX sees as a tree.

    Construction is shape-checked under the jaxtyping hook; unflattening inside
    `vmap` and `scan` is not, which is why `flax.struct` is not used.
    """
    make = typing.cast(typing.Any, chex.dataclass)
    return make(cls, frozen=True, kw_only=True, mappable_dataclass=False)
