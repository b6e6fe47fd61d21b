"""The numbers of a KL-REINFORCE run."""

import dataclasses

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """What one learner does; section 3.2 gives the objective, this gives its numbers.

    Attributes:
      batch_clips: clips in one update, over all devices.
      microbatches: parts of a batch whose gradients are added up (memory, not result).
      chunk_frames: frames whose logits exist at one time (memory, not result).
      steps: updates of the run, value warm-up included.
      value_warmup_steps: first updates, which move the value alone.
      kl_weight: alpha of the objective: (1 - alpha) reward, alpha KL to the reference.
      kl_mode: "local" is the paper's gradient of the KL at the states visited; "return"
        also charges each action with the KL that follows it.
      kl_budget_nats: KL per clip beyond which a run ends: where the batches of three
        updates in a row are beyond it.
      temperature: T of the policy pi_T, in sampling and in learning alike.
      baseline: "value" is the paper's V(s); "leave_one_out" is the mean reward of the
        batch's other clips of the same conditioning, and trains no V.
      importance_cap: c of the per-token weight min(pi / mu, c).
      max_staleness: policy updates that a trajectory's sampler may lie behind.
      policy_learning_rate: peak of Adam's rate for the policy.
      value_learning_rate: the same for the value.
      learning_rate_warmup_steps: updates over which both rates rise from 0.
      learning_rate_end_share: share of the peak that is left at the last step.
      learning_rate_decay_steps: last updates, over which both rates fall to that
        share; 0 means all that follow the warm-up.
      max_grad_norm: global norm to which gradients are clipped.
      adam_b1: decay of Adam's first moment.
      adam_b2: decay of Adam's second moment.
    """

    batch_clips: int = 32
    microbatches: int = 1
    chunk_frames: int = 25
    steps: int = 200
    value_warmup_steps: int = 10
    kl_weight: float = 0.05
    kl_mode: str = "local"
    kl_budget_nats: float = 20.0
    temperature: float = 0.99
    baseline: str = "value"
    importance_cap: float = 2.0
    max_staleness: int = 4
    policy_learning_rate: float = 1e-4
    value_learning_rate: float = 3e-4
    learning_rate_warmup_steps: int = 5
    learning_rate_end_share: float = 1.0
    learning_rate_decay_steps: int = 0
    max_grad_norm: float = 1.0
    adam_b1: float = 0.9
    adam_b2: float = 0.95

    def __post_init__(self) -> None:
        for rule, names, holds in (
            ("be at least 1", _COUNTS, lambda x: x >= 1),
            ("be at least 0", _FROM_ZERO, lambda x: x >= 0),
            ("be above 0", _POSITIVE, lambda x: 0 < x < float("inf")),
            ("lie in [0, 1)", _SHARES, lambda x: 0 <= x < 1),
            ("lie in [0, 1]", ("learning_rate_end_share",), lambda x: 0 <= x <= 1),
            ("be 'local' or 'return'", ("kl_mode",), ("local", "return").__contains__),
            ("be 'value' or 'leave_one_out'", ("baseline",), _BASELINES.__contains__),
            ("be at least 1", ("importance_cap",), lambda x: x >= 1),
        ):
            for name in names:
                self._check(name, rule, holds(getattr(self, name)))
        self._check(
            "microbatches",
            "divide batch_clips",
            self.batch_clips % self.microbatches == 0,
        )
        self._check(
            "value_warmup_steps",
            "be less than steps",
            self.value_warmup_steps < self.steps,
        )
        self._check(
            "value_warmup_steps",
            "be 0 with baseline 'leave_one_out', which has no value to warm up",
            self.baseline == "value" or self.value_warmup_steps == 0,
        )

    def _check(self, name: str, rule: str, holds: bool) -> None:
        if not holds:
            raise errors.InputError(
                f"{name} must {rule}; got {getattr(self, name)!r}. "
                f"Set LearnerConfig.{name}."
            )


_BASELINES = ("value", "leave_one_out")
_COUNTS = ("batch_clips", "microbatches", "chunk_frames", "steps")
_FROM_ZERO = (
    "value_warmup_steps",
    "max_staleness",
    "learning_rate_warmup_steps",
    "learning_rate_decay_steps",
)
_POSITIVE = (
    "temperature",
    "kl_budget_nats",
    "policy_learning_rate",
    "value_learning_rate",
    "max_grad_norm",
)
_SHARES = ("kl_weight", "adam_b1", "adam_b2")
