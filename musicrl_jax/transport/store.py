"""One primitive for everything that processes share: objects that are never changed.

An object is bytes under a key such as `traj/00000003_a1_00000017`. It is created whole
or not at all, by one writer; nothing overwrites it. The rest of this folder is built
on these four methods.
"""

import pathlib
from typing import Protocol, runtime_checkable

from musicrl_jax.transport import keyvalue, posix


@runtime_checkable
class Store(Protocol):
    """Immutable objects under slash-separated keys."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Creates the object; returns False, changing nothing, where there is one.

        After False, `get` the object: a network that repeats a request whose answer
        was lost may refuse the writer its own object.
        """
        ...

    def get(self, key: str) -> bytes | None:
        """Returns the object, or None where there is none."""
        ...

    def list(self, prefix: str) -> list[str]:
        """Returns the sorted keys that begin with `prefix`."""
        ...

    def delete(self, key: str) -> None:
        """Removes the object if it is there."""
        ...


def open_store(url: str) -> Store:
    """Opens the store at a directory or a gs://, s3://, file:// or memory:// URL."""
    if "://" not in url:
        return posix.PosixStore(pathlib.Path(url))
    return keyvalue.KvStore(url)
