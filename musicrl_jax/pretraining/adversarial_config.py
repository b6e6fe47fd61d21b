"""Settings of an adversarial run."""

import dataclasses

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """What an adversarial run has besides a `PretrainConfig`.

    Attributes:
      discriminator_learning_rate: peak; its schedule is the generator's otherwise.
      discriminator_start: updates before discriminators learn and are heard.
      beta1: first-moment decay of both optimizers.
      balance_decay: of the average gradient norms.
      gradient_scale: norm per clip of the balanced gradient at the output.
    """

    discriminator_learning_rate: float = 3e-4
    discriminator_start: int = 0
    beta1: float = 0.8
    balance_decay: float = 0.99
    gradient_scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("beta1", "balance_decay"):
            self._require(name, 0 <= getattr(self, name) < 1, "lie in [0, 1)")
        for name in ("discriminator_learning_rate", "gradient_scale"):
            self._require(name, getattr(self, name) > 0, "be positive")
        self._require("discriminator_start", self.discriminator_start >= 0, "be >= 0")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise errors.InputError(
                f"{name} must {rule}; got {getattr(self, name)}. "
                f"Set AdversarialConfig.{name}."
            )
