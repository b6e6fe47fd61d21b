"""ActorConfig: how an actor samples, and when it holds back."""

import dataclasses

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActorConfig:
    """An actor process.

    Attributes:
      clips: clips sampled together and stored as one object.
      samples_per_prompt: clips for each caption (more than 1 suits a group baseline).
      fine_levels: whether rewards hear the codec's fine levels, which SoundStorm adds;
        off, because it takes many more operations than decoding the coarse ones.
      max_pending_clips: stored clips that no batch has used yet, over all actors, at
        which an actor waits. Bounds the lag and the disk.
      poll_seconds: pause between two looks at the store.
      publication_timeout_seconds: longest wait for the learner's first weights.
      idle_timeout_seconds: longest wait at `max_pending_clips` or for newer weights.
    """

    clips: int = 16
    samples_per_prompt: int = 1
    fine_levels: bool = False
    max_pending_clips: int = 64
    poll_seconds: float = 0.2
    publication_timeout_seconds: float = 300.0
    idle_timeout_seconds: float = 600.0

    def __post_init__(self) -> None:
        if self.clips < 1 or self.clips % self.samples_per_prompt:
            raise errors.InputError(
                "ActorConfig.clips must be a positive multiple of samples_per_prompt; "
                f"got {self.clips} and {self.samples_per_prompt}. Change either in gin."
            )
        if self.max_pending_clips < self.clips:
            raise errors.InputError(
                f"ActorConfig.max_pending_clips must be at least clips ({self.clips}); "
                f"got {self.max_pending_clips}. Raise it, or no actor ever sends."
            )
