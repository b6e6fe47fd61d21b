"""Removes trajectories that no resume can need."""

from musicrl_jax.transport import keys, manifests
from musicrl_jax.transport import store as stores


def collect(
    store: stores.Store, log: manifests.ManifestLog, oldest_checkpoint: int
) -> int:
    """Deletes the trajectories that only manifests before a step name.

    A learner may fall back to the oldest checkpoint that is kept, and then reads the
    manifests from that step on again. Manifests are never deleted.

    Args:
      store: of the run.
      log: its manifests, as fresh as the caller likes.
      oldest_checkpoint: step of the oldest checkpoint that is kept.

    Returns:
      How many were deleted.
    """

    def is_past(key: str) -> bool:
        last = log.last_step_with(key)
        return log.is_closed(key) and last is not None and last < oldest_checkpoint

    past = [key for key in store.list(keys.TRAJECTORIES) if is_past(key)]
    for key in past:
        store.delete(key)
    for marker in store.list(keys.REFUSED):
        if is_past(keys.TRAJECTORIES + marker.removeprefix(keys.REFUSED)):
            store.delete(marker)
    return len(past)
