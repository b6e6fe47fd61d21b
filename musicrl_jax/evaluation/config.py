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
        first and last one always are.
      clips_per_prompt: clips made for each prompt, each with a seed of its own; from 2
        on, `diversity` is measured: how far apart they are for MuLan.
      keep_audio: first prompts whose clips are kept in the run's `samples` folder.
      keep_policies: measured policies that are kept for `musicrl select`: the newest,
        then in turn the best by held-out rewards and by the total; 0 keeps all.
      smoothing: measurements in a row whose mean is tested for over-optimisation.
      stop_on_over_optimisation: end the run when a reward that is not trained falls
        while the trained one rises.
      poll_seconds: pause between two looks for a new publication.
      publication_timeout_seconds: longest wait for the next publication.
    """

    prompts: int = 32
    clips: int = 16
    every_steps: int = 1
    clips_per_prompt: int = 1
    keep_audio: int = 4
    keep_policies: int = 10
    smoothing: int = 2
    stop_on_over_optimisation: bool = False
    poll_seconds: float = 0.5
    publication_timeout_seconds: float = 900.0

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise errors.InputError(
                    f"EvaluatorConfig.{name} must be at least {least}; got "
                    f"{getattr(self, name)}. Set it in gin."
                )
        if self.prompts < 1 or self.prompts % self.clips:
            raise errors.InputError(
                "EvaluatorConfig.prompts must be a positive multiple of clips; got "
                f"{self.prompts} and {self.clips}. Change either in gin."
            )


_LEAST = {
    "every_steps": 1,
    "clips_per_prompt": 1,
    "keep_audio": 0,
    "keep_policies": 0,
    "smoothing": 1,
}
