"""Manifests: `batches/<step>.json` is the definition of a batch, and never changes.

Manifest k lists the clips of the update that takes the learner from step k to k + 1.
Together the manifests are a write-ahead log: a learner that resumes at step k reads
manifest k if it exists, so it repeats what was decided before.
"""

import collections
import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping

from musicrl_jax.core import errors
from musicrl_jax.transport import keys
from musicrl_jax.transport import store as stores


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceObject:
    """One trajectory that a batch takes clips from.

    Attributes:
      sha256: of the object's bytes.
      clips: how many it holds in all.
    """

    sha256: str
    clips: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """One batch.

    Attributes:
      step: the learner step that consumes it.
      epoch: of the learner that wrote it.
      items: (trajectory key, clip in it), in the order of the batch.
      objects: the trajectories of `items` by key.
      dropped: (trajectory key, reason) of those refused when it was written.
    """

    step: int
    epoch: int
    items: tuple[tuple[str, int], ...]
    objects: Mapping[str, SourceObject]
    dropped: tuple[tuple[str, str], ...] = ()

    def to_bytes(self) -> bytes:
        """Returns the object that stands for it."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Returns the manifest in `data`.

        Raises:
          InvariantError: where `data` is not a manifest.
        """
        try:
            fields = json.loads(data)
            return cls(
                step=int(fields["step"]),
                epoch=int(fields["epoch"]),
                items=tuple((str(key), int(clip)) for key, clip in fields["items"]),
                objects={k: SourceObject(**v) for k, v in fields["objects"].items()},
                dropped=tuple((str(k), str(why)) for k, why in fields["dropped"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise errors.InvariantError(
                f"A manifest cannot be read ({error}). Restore it from a copy of the "
                "run directory, or start a new run from the last checkpoint."
            ) from error

    @functools.cached_property
    def sha256(self) -> str:
        """The hash that all hosts compare."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def drop_counts(self) -> dict[str, int]:
        """Refused trajectories by reason."""
        return dict(collections.Counter(reason for _, reason in self.dropped))

    @property
    def staleness(self) -> list[int]:
        """How many learner steps old the weights of each item's clip were."""
        found = (keys.TrajectoryId.parse(key) for key, _ in self.items)
        return [self.step - identity.policy_step for identity in found if identity]


class ManifestLog:
    """The manifests so far, and what they say of each trajectory."""

    def __init__(self, store: stores.Store) -> None:
        self._store = store
        self._manifests: list[Manifest] = []
        self._clips: dict[str, set[int]] = collections.defaultdict(set)
        self._last: dict[str, int] = {}
        self._closed: set[str] = set()
        self._owners: dict[tuple[str, int], str] = {}
        self._last_seq: dict[str, int] = {}

    def refresh(self) -> int:
        """Reads the manifests that are new; returns the step of the next one."""
        while (data := self._store.get(keys.batch_key(self.next_step))) is not None:
            manifest = Manifest.from_bytes(data)
            if manifest.step != self.next_step:
                raise errors.InvariantError(
                    f"Manifest {keys.batch_key(self.next_step)} says step "
                    f"{manifest.step}. Restore it from a copy of the run directory."
                )
            self._add(manifest)
        return self.next_step

    @property
    def next_step(self) -> int:
        """The first step that has no manifest here; there are no gaps below it."""
        return len(self._manifests)

    def get(self, step: int) -> Manifest | None:
        """Returns the manifest of `step` if there is one."""
        if step >= self.next_step:
            self.refresh()
        return self._manifests[step] if step < self.next_step else None

    def commit(self, manifest: Manifest) -> Manifest:
        """Proposes the next manifest; returns the one that stands, perhaps another's.

        Raises:
          InvariantError: where `manifest` would leave a gap.
        """
        if manifest.step != self.next_step:
            raise errors.InvariantError(
                f"The next manifest is of step {self.next_step}; got {manifest.step}. "
                "A learner may only compose the batch after the last one."
            )
        self._store.put_if_absent(keys.batch_key(manifest.step), manifest.to_bytes())
        self.refresh()
        return self._manifests[manifest.step]

    def is_closed(self, key: str) -> bool:
        """Says whether every clip of trajectory `key` was used, or it was dropped."""
        return key in self._closed

    def used_clips(self, key: str) -> frozenset[int]:
        """Returns the clips of trajectory `key` that batches have used."""
        return frozenset(self._clips.get(key, ()))

    def owner(self, actor: str, seq: int) -> str | None:
        """Returns the trajectory that was used as number `seq` of `actor`."""
        return self._owners.get((actor, seq))

    def last_seq(self, actor: str) -> int:
        """Returns the highest number of `actor` that any manifest names, or -1."""
        return self._last_seq.get(actor, -1)

    def last_step_with(self, key: str) -> int | None:
        """Returns the last step whose manifest names trajectory `key`, if any does."""
        return self._last.get(key)

    def _add(self, manifest: Manifest) -> None:
        self._manifests.append(manifest)
        for key, clip in manifest.items:
            self._clips[key].add(clip)
            self._note(key, manifest.step, used=True)
        for key, _ in manifest.dropped:
            self._closed.add(key)
            self._note(key, manifest.step, used=False)
        for key, source in manifest.objects.items():
            if len(self._clips[key]) == source.clips:
                self._closed.add(key)

    def _note(self, key: str, step: int, *, used: bool) -> None:
        self._last[key] = step
        identity = keys.TrajectoryId.parse(key)
        if identity is None:
            return
        actor, seq = identity.actor, identity.seq
        self._last_seq[actor] = max(seq, self.last_seq(actor))
        if used:
            self._owners.setdefault((actor, seq), key)
