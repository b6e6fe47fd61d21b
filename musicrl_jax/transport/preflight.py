"""Tries out, at the start of a process, all that it will do to the store."""

import uuid
from collections.abc import Sequence

from musicrl_jax.core import errors
from musicrl_jax.transport import keys
from musicrl_jax.transport import store as stores


def check_access(
    store: stores.Store,
    *,
    writes: Sequence[str] = (),
    reads: Sequence[str] = (keys.PUBLICATIONS, keys.BATCHES),
) -> None:
    """Writes, reads, lists and deletes a probe below each prefix of `writes`.

    Args:
      store: of the run.
      writes: prefixes that the process creates objects under.
      reads: prefixes that it lists.

    Raises:
      InputError: where a right is missing; the text names the place.
      InvariantError: where the store overwrites, which its kind must not do.
    """
    for prefix in reads:
        store.list(prefix)
    for prefix in writes:
        key = f"{prefix}probe-{uuid.uuid4().hex}"
        mine, other = b"probe", b"other"
        created = store.put_if_absent(key, mine)
        again = store.put_if_absent(key, other)
        seen, listed = store.get(key), store.list(key)
        store.delete(key)
        if not created or again or seen != mine or listed != [key]:
            raise errors.InvariantError(
                f"The store must create an object once and show it at once; below "
                f"{prefix} it does not. Use a file system with hard links, GCS, or an "
                "S3 service with conditional writes."
            )
