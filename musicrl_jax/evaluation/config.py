"""EvaluatorConfig: what is measured on each publication of a run."""

import dataclasses

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorConfig:
    """The evaluator process.

    Attributes:
      prompts: held-out captions, the same with the same seeds for each publication.
      clips: clips sampled at a time.
      every_steps: least learner steps between two publications that are measured; the
        run's last one always is.
      poll_seconds: pause between two looks for a new publication.
      publication_timeout_seconds: longest wait for the next publication.
    """

    prompts: int = 32
    clips: int = 16
    every_steps: int = 1
    poll_seconds: float = 0.5
    publication_timeout_seconds: float = 900.0

    def __post_init__(self) -> None:
        if self.every_steps < 1:
            raise errors.InputError(
                "EvaluatorConfig.every_steps must be at least 1; got "
                f"{self.every_steps}."
            )
        if self.prompts < 1 or self.prompts % self.clips:
            raise errors.InputError(
                "EvaluatorConfig.prompts must be a positive multiple of clips; got "
                f"{self.prompts} and {self.clips}. Change either in gin."
            )
