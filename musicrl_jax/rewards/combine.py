"""Linear combinations of rewards, with each part kept (paper, section 3.2)."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.core import errors, protocols


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """One term of a sum: `weight * (score + offset) * scale`.

    Attributes:
      name: under which the raw score is kept.
      reward: gives the raw score as its "total".
      weight: of the rescaled score in the sum.
      offset: added to the raw score.
      scale: multiplies it then; a mean opinion score of 1 to 5 becomes 0 to 1 with
        offset -1 and scale 1/4 (paper, section 4.2).
    """

    name: str
    reward: protocols.Reward
    weight: float = 1.0
    offset: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.name or self.name == "total":
            raise errors.InputError(
                f"A part of a reward needs a name other than 'total'; got "
                f"{self.name!r}. Set Part.name, for example to 'text_adherence'."
            )
        if not np.isfinite([self.weight, self.offset, self.scale]).all():
            raise errors.InputError(
                f"Weight, offset and scale must be finite; got {self.weight}, "
                f"{self.offset}, {self.scale} for part {self.name!r}."
            )


class LinearReward:
    """The weighted sum of rewards as "total", and each part's raw score by name."""

    def __init__(
        self, parts: Sequence[Part], clock: Callable[[], float] = time.monotonic
    ) -> None:
        names = [part.name for part in parts]
        if not names or len(set(names)) != len(names):
            raise errors.InputError(
                f"A linear reward needs parts of distinct names; got {names}."
            )
        self._parts = tuple(parts)
        self._clock = clock
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds that each part took in the last call, as `reward/<name>`."""
        return dict(self._seconds)

    @property
    def weights(self) -> Mapping[str, float]:
        """The weight of each part; one of weight 0 is only watched."""
        return {part.name: part.weight for part in self._parts}

    def __call__(
        self,
        captions: Sequence[str],
        waveform: Float[np.ndarray, "b n"],
        tokens: Int[np.ndarray, "b f q"],
    ) -> Mapping[str, Float[np.ndarray, " b"]]:
        """Returns raw scores by part, a part's own parts as `part/name`, and "total".

        Raises:
          InputError: see `checked`.
        """
        scores: dict[str, Float[np.ndarray, " b"]] = {}
        total = np.zeros(len(captions), np.float32)
        for part in self._parts:
            start = self._clock()
            own = part.reward(captions, waveform, tokens)
            self._seconds[f"reward/{part.name}"] = self._clock() - start
            found = checked(part.name, own, len(captions))
            raw = scores[part.name] = found.pop("total")
            scores |= {f"{part.name}/{name}": score for name, score in found.items()}
            if part.weight:  # a watched score that is not finite spoils no total
                total += np.float32(part.weight * part.scale) * (
                    raw + np.float32(part.offset)
                )
        return scores | {"total": total}


def checked(
    name: str, scores: object, clips: int
) -> dict[str, Float[np.ndarray, " b"]]:
    """Returns a reward's scores as float32, whatever dtype it used.

    Args:
      name: of the reward, for messages.
      scores: what it returned.
      clips: that it scored.

    Raises:
      InputError: where that is no mapping with "total", or a score is other than one
        number a clip.
    """
    if not isinstance(scores, Mapping):
        raise errors.InputError(
            f"Reward {name!r} must return a mapping with 'total'; got "
            f"{type(scores).__name__}. Return {{'total': scores}}."
        )
    if "total" not in scores:
        raise errors.InputError(
            f"Reward {name!r} must return 'total'; got "
            f"{', '.join(map(str, scores)) or 'nothing'}. Name its score so."
        )
    found = {}
    for key, score in scores.items():
        try:
            array = np.asarray(score, np.float32)
        except (TypeError, ValueError) as error:
            raise errors.InputError(
                f"Reward {name!r} must return numbers under {key!r}; "
                f"{errors.reason(error)}. Return one for each clip."
            ) from error
        if array.shape != (clips,):
            raise errors.InputError(
                f"Reward {name!r} must return under {key!r} one number for each of "
                f"{clips} clips; got shape {array.shape}. Return an array of shape "
                f"({clips},)."
            )
        found[str(key)] = array
    return found
