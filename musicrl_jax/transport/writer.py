"""The actor's side of the store: numbers its trajectories and puts them."""

import uuid

from musicrl_jax.core import errors
from musicrl_jax.core import layout as layouts
from musicrl_jax.transport import keys, manifests, trajectories, waits
from musicrl_jax.transport import store as stores


class TrajectoryWriter:
    """Writes one actor's trajectories; a restart goes on where the last one ended.

    Attributes:
      nonce: tells this process from another of the same name.
      next_seq: the number of the next trajectory.
      duplicates: numbers that another process of this name had taken.
    """

    def __init__(
        self,
        store: stores.Store,
        log: manifests.ManifestLog,
        actor: str,
        token_layout: layouts.TokenLayout,
    ) -> None:
        """Finds the actor's next number in the store.

        Args:
          store: of the run.
          log: its manifests; is refreshed.
          actor: the actor's name, a plain name of its own.
          token_layout: of the run's policy.
        """
        keys.check_key(actor)
        self.nonce = uuid.uuid4().hex
        self.duplicates = 0
        self._store = store
        self._log = log
        self._actor = actor
        self._layout = token_layout
        self.next_seq = 1 + self._last_seq()

    def write(
        self, trajectory: trajectories.Trajectory, patience: waits.Patience
    ) -> bool:
        """Puts `trajectory`; returns whether it is there.

        Args:
          trajectory: with `actor`, `seq` = `next_seq` and `nonce` of this writer.
          patience: for a full disk or a store that does not answer.

        Returns:
          False where another process of this name has taken the number, which is
          counted. `next_seq` has moved on either way.

        Raises:
          InvariantError: where the trajectory is not finite or breaks the schema.
          TemporaryError: where the store still fails when `patience` is out.
        """
        if not trajectory.is_finite():
            raise errors.InvariantError(
                f"Actor {self._actor} sampled a log-probability or reward that is not "
                f"a number (trajectory {trajectory.seq}). Look at the reward's scores "
                "and the published weights."
            )
        if (trajectory.actor, trajectory.seq) != (self._actor, self.next_seq):
            raise errors.InvariantError(
                f"Writer of {self._actor} expects number {self.next_seq}; got "
                f"{trajectory.actor} {trajectory.seq}. Take both from the writer."
            )
        data = trajectories.check_own(trajectory, self._layout)
        created = self._put(trajectory.key, data, patience)
        self.next_seq += 1
        if created or self._store.get(trajectory.key) in (data, None):
            return True
        self.duplicates += 1
        self.next_seq = max(self.next_seq, 1 + self._last_seq())
        return False

    def backlog(self) -> int:
        """Returns how many trajectories wait to be used (back-pressure)."""
        self._log.refresh()
        refused = set(self._store.list(keys.REFUSED))
        return sum(
            not self._log.is_closed(key) and keys.refusal_key(key) not in refused
            for key in self._store.list(keys.TRAJECTORIES)
            if keys.TrajectoryId.parse(key) is not None
        )

    def _put(self, key: str, data: bytes, patience: waits.Patience) -> bool:
        failures: list[str] = []

        def look() -> bool | None:
            try:
                return self._store.put_if_absent(key, data)
            except errors.TemporaryError as error:
                failures.append(str(error))
                return None

        what = f"the store to take {key}"
        return waits.wait_for(look, what, patience, lambda: failures[-1])

    def _last_seq(self) -> int:
        self._log.refresh()
        seen = [self._log.last_seq(self._actor)]
        for prefix in (keys.TRAJECTORIES, keys.QUARANTINE):
            for key in self._store.list(prefix):
                identity = keys.TrajectoryId.parse(key)
                if identity is not None and identity.actor == self._actor:
                    seen.append(identity.seq)
        return max(seen)
