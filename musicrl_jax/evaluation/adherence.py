"""Whether clips fit their own captions better than other clips' captions."""

import dataclasses

import numpy as np
from jaxtyping import Float

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Adherence:
    """Scores of clips with their own captions and with each other's.

    Attributes:
      clips: how many there are.
      own: mean score of a clip with its caption.
      others: mean score of a clip with another clip's caption.
      own_is_best: share of clips whose own caption scores highest of all.
      p_value: of the permutation test that captions do not matter; one-sided, at least
        1 / (shuffles + 1).
    """

    clips: int
    own: float
    others: float
    own_is_best: float
    p_value: float


def own_against_shuffled(
    text: Float[np.ndarray, "b e"],
    clips: Float[np.ndarray, "b e"],
    *,
    shuffles: int = 9999,
    seed: int = 0,
) -> Adherence:
    """Compares the mean score of matching rows with that of shuffled ones.

    If captions had no part in the clips, every assignment of captions to clips would
    be as likely as the true one, so the p-value needs no model of the scores.

    Args:
      text: one vector a caption.
      clips: the clip made for each; a score is the product of the two.
      shuffles: random assignments that are tried.
      seed: of these.

    Raises:
      InputError: for fewer than two clips.
    """
    count = len(text)
    if count < 2 or len(clips) != count:
        raise errors.InputError(
            "Adherence compares two clips or more, one for each caption; got "
            f"{count} captions and {len(clips)} clips. Ask for more prompts."
        )
    scores = np.asarray(text, np.float64) @ np.asarray(clips, np.float64).T
    own = np.diagonal(scores)
    generator = np.random.default_rng(seed)
    columns = np.arange(count)
    means = np.array(
        [scores[generator.permutation(count), columns].mean() for _ in range(shuffles)]
    )
    others = (scores.sum() - own.sum()) / (count * (count - 1))
    return Adherence(
        clips=count,
        own=float(own.mean()),
        others=float(others),
        own_is_best=float(np.mean(own >= scores.max(axis=0))),
        p_value=float((1 + np.sum(means >= own.mean())) / (shuffles + 1)),
    )
