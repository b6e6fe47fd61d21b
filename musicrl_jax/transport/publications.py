"""Publications: which weights actors, evaluators and servers may use."""

import dataclasses
import json
from collections.abc import Iterator, Mapping

from musicrl_jax.checkpoints import digests
from musicrl_jax.core import errors
from musicrl_jax.transport import epochs, keys
from musicrl_jax.transport import store as stores


@dataclasses.dataclass(frozen=True, kw_only=True)
class Publication:
    """One set of weights that can be used.

    Attributes:
      epoch: of the learner that published it.
      step: the learner step of the weights.
      checkpoint_epoch: the epoch whose checkpoint of `step` holds them; an older one
        where a learner that resumed publishes what it resumed from.
      policy: digest, dtype and shape of each leaf.
      config_hash: of the run's configuration.
      versions: of the packages that matter.
    """

    epoch: int
    step: int
    checkpoint_epoch: int
    policy: digests.TreeDigest
    config_hash: str
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The one digest of all leaves, which trajectories carry."""
        return self.policy.summary

    def to_bytes(self) -> bytes:
        """Returns the object that stands for it."""
        fields = {
            "epoch": self.epoch,
            "step": self.step,
            "checkpoint_epoch": self.checkpoint_epoch,
            "digest": self.digest,
            "policy": self.policy.to_dict(),
            "config_hash": self.config_hash,
            "versions": dict(self.versions),
        }
        return json.dumps(fields, sort_keys=True, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Publication":
        """Returns the publication in `data`.

        Raises:
          InvariantError: where `data` is none.
        """
        try:
            fields = json.loads(data)
            made = cls(
                epoch=int(fields["epoch"]),
                step=int(fields["step"]),
                checkpoint_epoch=int(fields["checkpoint_epoch"]),
                policy=digests.TreeDigest.from_dict(fields["policy"]),
                config_hash=str(fields["config_hash"]),
                versions=fields["versions"],
            )
            intact = made.digest == fields["digest"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise errors.InvariantError(
                f"A publication cannot be read ({error}). Delete it; the learner "
                "publishes newer ones."
            ) from error
        if not intact:
            raise errors.InvariantError(
                f"The publication of step {made.step} contradicts its own digest. "
                "Delete it; the learner publishes newer ones."
            )
        return made


def publish(store: stores.Store, publication: Publication) -> None:
    """Makes `publication` known, unless another learner has taken over.

    Raises:
      InvariantError: where one has, or other weights were published as this step.
    """
    epochs.check(store, publication.epoch)
    key = keys.publication_key(publication.epoch, publication.step)
    store.put_if_absent(key, publication.to_bytes())
    stands = store.get(key)
    if stands is None or Publication.from_bytes(stands).digest != publication.digest:
        raise errors.InvariantError(
            f"{key} names other weights than this learner has at step "
            f"{publication.step}. Keep one learner a run."
        )


def newest_first(store: stores.Store) -> Iterator[Publication]:
    """Yields the readable publications from the highest (epoch, step) down."""
    for key in reversed(store.list(keys.PUBLICATIONS)):
        data = store.get(key)
        if data is None:
            continue
        try:
            yield Publication.from_bytes(data)
        except errors.InvariantError:
            continue


def lineage(store: stores.Store, epoch: int) -> dict[int, str]:
    """Returns the digest by step of all that `epoch` and its ancestors published.

    What an ancestor published after the checkpoint that its heir resumed from is not
    part of it: such weights may never come to be again.
    """
    published = list(newest_first(store))
    found: dict[int, str] = {}
    last_step = max((entry.step for entry in published), default=0)
    link: tuple[int, int] | None = (epoch, last_step)
    while link is not None:
        current, limit = link
        for entry in published:
            if entry.epoch == current and entry.step <= limit:
                found.setdefault(entry.step, entry.digest)
        link = epochs.parent(store, current)
    return found
