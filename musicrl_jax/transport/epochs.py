"""Fencing: each start of a learner claims the next epoch, and older ones must stop."""

import json
import uuid

from musicrl_jax.core import errors
from musicrl_jax.transport import keys
from musicrl_jax.transport import store as stores


def claim(store: stores.Store) -> int:
    """Returns a new epoch, above all before; two learners never get the same."""
    mine = uuid.uuid4().hex.encode()
    while True:
        epoch = newest(store) + 1
        key = f"{keys.EPOCHS}{epoch:06d}"
        store.put_if_absent(key, mine)
        if store.get(key) == mine:
            return epoch


def newest(store: stores.Store) -> int:
    """Returns the newest epoch; 0 where no learner has started yet."""
    numbers = [key.removeprefix(keys.EPOCHS) for key in store.list(keys.EPOCHS)]
    return max((int(number) for number in numbers if number.isdigit()), default=0)


def check(store: stores.Store, epoch: int) -> None:
    """Makes sure that no other learner has taken over.

    Raises:
      InvariantError: where one has.
    """
    current = newest(store)
    if current != epoch:
        raise errors.InvariantError(
            f"This learner has epoch {epoch}, but epoch {current} has taken over the "
            "run. Keep one learner a run; this one stops."
        )


def record_parent(
    store: stores.Store, epoch: int, parent: tuple[int, int] | None
) -> None:
    """Notes the (epoch, step) of the checkpoint that `epoch` resumed from, if any."""
    data = json.dumps(parent).encode()
    key = f"{keys.PARENTS}{epoch:06d}"
    store.put_if_absent(key, data)
    if store.get(key) != data:
        raise errors.InvariantError(
            f"Epoch {epoch} has resumed from another checkpoint before. Start again."
        )


def parent(store: stores.Store, epoch: int) -> tuple[int, int] | None:
    """Returns the (epoch, step) that `epoch` resumed from; None for a fresh start."""
    data = store.get(f"{keys.PARENTS}{epoch:06d}")
    found = json.loads(data) if data else None
    return None if found is None else (int(found[0]), int(found[1]))
