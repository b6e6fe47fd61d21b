"""The learner's side of the store: reads trajectories once, checked."""

import hashlib
from collections.abc import Sequence

from musicrl_jax.core import errors
from musicrl_jax.core import layout as layouts
from musicrl_jax.transport import keys, manifests, selection, trajectories, wire
from musicrl_jax.transport import store as stores


class TrajectoryReader:
    """Lists and loads trajectories, and keeps those that are still of use."""

    def __init__(
        self,
        store: stores.Store,
        log: manifests.ManifestLog,
        token_layout: layouts.TokenLayout,
    ) -> None:
        self._store = store
        self._log = log
        self._layout = token_layout
        self._candidates: dict[str, selection.Candidate] = {}
        self._loaded: dict[str, trajectories.Trajectory] = {}
        self._hashes: dict[str, str] = {}

    def candidates(self, oldest_step: int) -> list[selection.Candidate]:
        """Returns the trajectories that no manifest has closed.

        Args:
          oldest_step: those of weights before it are named without being read.
        """
        found = []
        for key in self._store.list(keys.TRAJECTORIES):
            identity = keys.TrajectoryId.parse(key)
            if identity is None or identity.key != key or self._log.is_closed(key):
                continue
            if identity.policy_step < oldest_step:
                found.append(selection.Candidate(identity=identity))
                continue
            if key not in self._candidates:
                self._examine(identity)
            if key in self._candidates:
                found.append(self._candidates[key])
        return found

    def forget(self, step: int) -> None:
        """Lets go of the trajectories that no batch from `step` on can name."""
        for key in set(self._loaded) | set(self._candidates):
            last = self._log.last_step_with(key)
            if self._log.is_closed(key) and last is not None and last < step:
                for table in (self._loaded, self._hashes, self._candidates):
                    table.pop(key, None)

    def load(self, key: str, sha256: str) -> trajectories.Trajectory:
        """Returns the trajectory that a manifest names.

        Raises:
          InvariantError: where it is no longer what it was.
        """
        if key not in self._loaded or self._hashes[key] != sha256:
            self._loaded[key] = self._reload(key, sha256)
            self._hashes[key] = sha256
        return self._loaded[key]

    def refuse(self, dropped: Sequence[tuple[str, str]]) -> None:
        """Marks trajectories that no batch will take, for actors not to count them.

        The next manifest names them. Without the marks, actors that hold back for a
        store full of such trajectories and a learner that waits for better ones would
        wait for each other.
        """
        marked = set(self._store.list(keys.REFUSED)) if dropped else set()
        for key, reason in dropped:
            if keys.refusal_key(key) not in marked:
                self._store.put_if_absent(keys.refusal_key(key), reason.encode())

    def quarantine(self, manifest: manifests.Manifest) -> None:
        """Puts aside the objects that `manifest` dropped as corrupt."""
        for key, reason in manifest.dropped:
            if reason != selection.CORRUPT:
                continue
            data = self._store.get(key)
            if data is not None:
                self._store.put_if_absent(keys.quarantine_key(key), data)
                self._store.delete(key)

    def _examine(self, identity: keys.TrajectoryId) -> None:
        key = identity.key
        data = self._store.get(key)
        if data is None:
            return
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            trajectory = trajectories.from_bytes(data, self._layout)
        except wire.FrameError:
            self._candidates[key] = selection.Candidate(
                identity=identity, sha256=sha256, defect=selection.CORRUPT
            )
            return
        defect = None if trajectory.is_finite() else selection.NON_FINITE
        if trajectory.identity != identity:
            defect = selection.CORRUPT
        self._candidates[key] = selection.Candidate(
            identity=identity,
            digest=trajectory.digest,
            sha256=sha256,
            clips=trajectory.num_clips,
            defect=defect,
        )
        if defect is None:
            self._loaded[key] = trajectory
            self._hashes[key] = sha256

    def _reload(self, key: str, sha256: str) -> trajectories.Trajectory:
        data = self._store.get(key)
        if data is None or hashlib.sha256(data).hexdigest() != sha256:
            state = "missing" if data is None else "changed"
            raise errors.InvariantError(
                f"Trajectory {key} of a batch that was decided on is {state}. Restore "
                "it from a copy of the run directory, or start a new run from the last "
                "checkpoint."
            )
        return trajectories.from_bytes(data, self._layout)
