"""The sizes of the preference model's heads."""

import dataclasses

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreferenceConfig:
    """One or more heads on MusicLM's trunk, and how their scores become one.

    The score is the heads' mean less `deviation_weight` times their standard deviation:
    0 is the plain mean; more distrusts clips that the heads disagree on, which policies
    that are trained on the score seek out. With `take_min` it is the lowest head's.

    Attributes:
      hidden: features of each head.
      heads: scores of the ensemble; each learns from its own part of the pairs.
      take_min: whether the lowest head's score counts, and not the mean.
      deviation_weight: of the heads' standard deviation, which the mean is lowered by.
      dropout: share of pooled features left out in training.
      use_text: whether the caption is read; without it all clips have one prefix.
      clip_seconds: length of the clips that it learnt from, which rewards score longer
        clips in windows of; the training run sets it.
      simulated_users: the choices it was trained on were made by a program; the
        training run sets it.
    """

    hidden: int = 64
    heads: int = 1
    take_min: bool = False
    deviation_weight: float = 0.0
    dropout: float = 0.1
    use_text: bool = True
    clip_seconds: float = 20.0
    simulated_users: bool = False

    def __post_init__(self) -> None:
        if min(self.hidden, self.heads) < 1 or not 0 <= self.dropout < 1:
            raise errors.InputError(
                "PreferenceConfig needs hidden and heads of 1 or more and dropout in "
                f"[0, 1); got {self.hidden}, {self.heads} and {self.dropout}."
            )
        if not self.clip_seconds > 0:
            raise errors.InputError(
                "PreferenceConfig.clip_seconds must be positive; got "
                f"{self.clip_seconds}. The training run sets it."
            )
        if self.deviation_weight < 0 or (self.take_min and self.deviation_weight):
            raise errors.InputError(
                "PreferenceConfig.deviation_weight must not be negative, and 0 with "
                f"take_min; got {self.deviation_weight}. Set one of the two."
            )
