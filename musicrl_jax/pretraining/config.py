"""Settings of a supervised training run."""

import dataclasses

import optax

from musicrl_jax.core import errors, sharding

COMPUTE_DTYPES = ("float32", "bfloat16")
BEST_MODES = ("min", "max")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """One supervised run: AdamW with warm-up and cosine decay.

    A run that goes on with other settings than it began with follows the new ones from
    there on. With more `steps` the learning rate jumps to where the longer cosine is at
    that step; fewer than are done are refused.

    Attributes:
      steps: optimizer steps of the whole run.
      learning_rate: peak, reached after `warmup_steps`.
      final_learning_rate_share: what the cosine ends at, as a share of the peak.
      weight_decay: AdamW's, applied to arrays of two or more axes.
      beta2: AdamW's second-moment decay.
      clip_norm: largest global gradient norm.
      average_decay: decay of the averaged parameters; 0 keeps none.
      accumulate: parts that a batch is computed in, one after another, to save memory.
      compute_dtype: parameters are cast to this inside the loss; masters stay float32.
      seed: root of every random stream of the run.
      log_every: steps between metric rows.
      save_every: steps between checkpoints.
      keep: checkpoints kept.
      evaluate_every: steps between evaluations on held-out data; 0 is `save_every`.
      best_metric: held-out figure whose best state is kept beside the newest ones, such
        as "validation/loss"; empty keeps none.
      best_mode: whether the best value of it is the "min" or the "max".
      export_best: whether the best state is exported, and not the last.
      tensorboard: whether metrics and samples are also written for TensorBoard.
      mesh: how devices are laid out.
    """

    steps: int
    learning_rate: float = 1e-3
    final_learning_rate_share: float = 0.02
    warmup_steps: int = 100
    weight_decay: float = 0.01
    beta2: float = 0.98
    clip_norm: float = 1.0
    average_decay: float = 0.0
    accumulate: int = 1
    compute_dtype: str = "float32"
    seed: int = 0
    log_every: int = 20
    save_every: int = 200
    keep: int = 2
    evaluate_every: int = 0
    best_metric: str = ""
    best_mode: str = "min"
    export_best: bool = False
    tensorboard: bool = False
    mesh: sharding.MeshConfig = dataclasses.field(default_factory=sharding.MeshConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "log_every", "save_every", "keep"):
            self._require(name, getattr(self, name) >= 1, "be at least 1")
        for name in ("learning_rate", "clip_norm"):
            self._require(name, getattr(self, name) > 0, "be positive")
        for name in ("average_decay", "beta2", "final_learning_rate_share"):
            self._require(name, 0 <= getattr(self, name) < 1, "lie in [0, 1)")
        for name in ("warmup_steps", "weight_decay", "seed", "evaluate_every"):
            self._require(name, getattr(self, name) >= 0, "not be negative")
        known = self.compute_dtype in COMPUTE_DTYPES
        self._require("compute_dtype", known, f"be one of {COMPUTE_DTYPES}")
        known = self.best_mode in BEST_MODES
        self._require("best_mode", known, f"be one of {BEST_MODES}")
        named = bool(self.best_metric) or not self.export_best
        self._require("export_best", named, "be False where best_metric is empty")

    def saves_after(self, done: int) -> bool:
        """Returns whether a checkpoint follows the update number `done`."""
        return done % self.save_every == 0 or done == self.steps

    def evaluates_after(self, done: int) -> bool:
        """Returns whether an evaluation follows the update number `done`."""
        every = self.evaluate_every or self.save_every
        return done % every == 0 or done == self.steps

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise errors.InputError(
                f"{name} must {rule}; got {getattr(self, name)}. "
                f"Set PretrainConfig.{name}."
            )


def make_schedule(config: PretrainConfig) -> optax.Schedule:
    """Returns the learning rate of each step: linear warm-up, then a cosine."""
    warmup = min(config.warmup_steps, config.steps - 1)
    return optax.warmup_cosine_decay_schedule(
        init_value=config.learning_rate / max(warmup, 1),
        peak_value=config.learning_rate,
        warmup_steps=warmup,
        decay_steps=config.steps,
        end_value=config.learning_rate * config.final_learning_rate_share,
    )
