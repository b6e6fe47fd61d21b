"""Scores any number of clips by programs that are compiled for one number of them."""

import dataclasses
from collections.abc import Callable, Sequence, Sized

import numpy as np
from jaxtyping import Array, Float, Shaped

from musicrl_jax.core import arrays, dealing, errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """How clips are scored.

    Attributes:
      clips_per_call: clips in one call of the network; smaller batches are padded to
        it, so that one program is compiled for each clip length.
    """

    clips_per_call: int = 16

    def __post_init__(self) -> None:
        if self.clips_per_call < 1:
            raise errors.InputError(
                f"BatchConfig.clips_per_call must be at least 1; got "
                f"{self.clips_per_call}. Set a positive number."
            )


def check_captions(captions: Sequence[str], clips: Sized) -> None:
    """Refuses other numbers of captions than of clips.

    Raises:
      InputError: where the two differ.
    """
    if len(captions) != len(clips):
        raise errors.InputError(
            f"Each clip needs one caption; got {len(captions)} captions for "
            f"{len(clips)} clips. Pass as many captions as clips."
        )


def pad_rows(rows: np.ndarray, size: int) -> np.ndarray:
    """Returns `rows` with rows of zeros added up to `size` of them."""
    padding = [(0, size - len(rows))] + [(0, 0)] * (rows.ndim - 1)
    return np.pad(rows, padding)


def scored(
    score: Callable[..., Float[Array, " b"]],
    params: arrays.Params,
    size: int,
    *inputs: Shaped[np.ndarray, "clips *_"],
) -> Float[np.ndarray, " clips"]:
    """Returns the score of each clip, `size` clips at a time.

    Args:
      score: a compiled program; what it gives for one clip does not depend on others.
      params: its first argument; clips are dealt out over the devices that hold them.
      size: clips in a call.
      *inputs: what it takes, one row a clip.
    """
    found = [np.zeros(0, np.float32)]
    for start in range(0, len(inputs[0]), size):
        parts = [rows[start : start + size] for rows in inputs]
        padded = [dealing.beside(params, pad_rows(part, size)) for part in parts]
        whole = np.asarray(score(params, *padded))
        found.append(whole[: len(parts[0])])
    return np.concatenate(found)
