"""Which clips make the next batch: a pure function of what lies in the store."""

import dataclasses
from collections.abc import Iterable, Mapping

from musicrl_jax.core import errors
from musicrl_jax.transport import keys, manifests

STALE = "stale"
FUTURE = "future"
CORRUPT = "corrupt"
DUPLICATE = "duplicate"
FOREIGN = "foreign_digest"
NON_FINITE = "non_finite"
REASONS = (STALE, FUTURE, CORRUPT, DUPLICATE, FOREIGN, NON_FINITE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A trajectory that no manifest has closed yet.

    Attributes:
      identity: whose it is, from its key.
      digest: of the weights, from its header.
      sha256: of its bytes.
      clips: how many it holds.
      defect: why it cannot be used (`CORRUPT` or `NON_FINITE`), if it cannot.
    """

    identity: keys.TrajectoryId
    digest: str = ""
    sha256: str = ""
    clips: int = 0
    defect: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """What a batch may hold.

    Attributes:
      batch_clips: clips of a batch.
      max_staleness: learner steps that a clip's weights may be behind.
    """

    batch_clips: int
    max_staleness: int

    def __post_init__(self) -> None:
        if self.batch_clips < 1 or self.max_staleness < 0:
            raise errors.InputError(
                "batch_clips must be at least 1 and max_staleness at least 0; got "
                f"{self.batch_clips} and {self.max_staleness}. Set LearnerConfig."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """The clips for a batch, fewer than asked for where there are no more.

    Attributes:
      items: (trajectory key, clip in it).
      objects: the trajectories of `items`.
      dropped: (trajectory key, reason).
    """

    items: tuple[tuple[str, int], ...]
    objects: Mapping[str, manifests.SourceObject]
    dropped: tuple[tuple[str, str], ...]


def select_batch(
    candidates: Iterable[Candidate],
    *,
    step: int,
    config: SelectionConfig,
    lineage: Mapping[int, str],
    log: manifests.ManifestLog,
) -> Selection:
    """Takes the oldest usable clips, and names every trajectory that is none.

    Args:
      candidates: in any order; those that `log` has closed are passed over.
      step: the learner step of the batch.
      config: size and staleness.
      lineage: digest of the weights that this learner published, by step.
      log: what earlier batches used.

    Returns:
      The same selection for the same candidates, whoever asks.
    """
    items: list[tuple[str, int]] = []
    objects: dict[str, manifests.SourceObject] = {}
    dropped: list[tuple[str, str]] = []
    owners: dict[tuple[str, int], str] = {}
    for candidate in sorted(candidates, key=lambda c: c.identity):
        key, identity = candidate.identity.key, candidate.identity
        if log.is_closed(key):
            continue
        number = (identity.actor, identity.seq)
        owner = log.owner(*number) or owners.get(number, key)
        reason = _refusal(candidate, step, config.max_staleness, lineage)
        if reason is None and owner != key:
            reason = DUPLICATE
        if reason is not None:
            dropped.append((key, reason))
            continue
        owners[number] = key
        free = sorted(set(range(candidate.clips)) - log.used_clips(key))
        taken = free[: config.batch_clips - len(items)]
        if taken:
            items.extend((key, clip) for clip in taken)
            objects[key] = manifests.SourceObject(
                sha256=candidate.sha256, clips=candidate.clips
            )
    return Selection(items=tuple(items), objects=objects, dropped=tuple(dropped))


def _refusal(
    candidate: Candidate, step: int, max_staleness: int, lineage: Mapping[int, str]
) -> str | None:
    policy_step = candidate.identity.policy_step
    if policy_step > step:
        return FUTURE
    if step - policy_step > max_staleness:
        return STALE
    if candidate.defect is not None:
        return candidate.defect
    if lineage.get(policy_step) != candidate.digest:
        return FOREIGN
    return None
