"""What a linear probe sees of a clip's tokens: fixed numbers for a clip of any codes.

Tokens are `[c, f, l]`: clips, frames, levels. Several levels stand side by side.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int, Integer

from musicrl_jax.core import errors

Tokens = Integer[np.ndarray, "c f l"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Histogram:
    """How often each token occurs: `size` numbers a level, order does not count."""

    size: int

    def __call__(self, tokens: Tokens) -> Float[np.ndarray, "c e"]:
        """Returns square roots of shares (Hellinger), so that rare tokens count too."""
        return np.sqrt(_shares(tokens, self.size))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Changes:
    """Which token follows which other one, hashed to `size` numbers for any codebook.

    All levels share the numbers, so codes of many levels or entries have no more.
    """

    size: int = 1024

    def __call__(self, tokens: Tokens) -> Float[np.ndarray, "c e"]:
        """Returns square roots of shares of all frames; repeats count nowhere."""
        before, after = tokens[:, :-1].astype(np.int64), tokens[:, 1:].astype(np.int64)
        level = np.arange(tokens.shape[2])[None, None, :]
        buckets = _hash(before + (level << 40) + (after << 20)) % self.size
        # The bucket behind the last takes what stays the same, and is left out.
        buckets = np.where(before == after, self.size, buckets)
        flat = buckets.reshape(len(tokens), -1, 1)
        return np.sqrt(_shares(flat, self.size + 1)[:, :-1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recurrence:
    """How often a token recurs after each of `size` numbers of frames: rhythm."""

    size: int = 64

    def __call__(self, tokens: Tokens) -> Float[np.ndarray, "c e"]:
        """Returns the shares of frames, averaged over levels.

        Raises:
          InputError: where clips are too short.
        """
        if tokens.shape[1] <= self.size:
            raise errors.InputError(
                f"Recurrence needs clips of more than {self.size} frames; got "
                f"{tokens.shape[1]}. Probe longer clips."
            )
        lags = range(1, self.size + 1)
        same = [np.mean(tokens[:, n:] == tokens[:, :-n], axis=(1, 2)) for n in lags]
        return np.stack(same, axis=1)


def _shares(tokens: Int[np.ndarray, "c f l"], size: int) -> Float[np.ndarray, "c e"]:
    clips, frames, levels = tokens.shape
    rows = np.arange(clips * levels).reshape(clips, 1, levels)
    cells = rows * size + tokens
    counts = np.bincount(cells.ravel(), minlength=clips * levels * size)
    return counts.reshape(clips, levels * size) / frames


def _hash(keys: Int[np.ndarray, "c f l"]) -> Int[np.ndarray, "c f l"]:
    """Mixes 64 bits (the finaliser of SplitMix64), so that nearby keys part."""
    mixed = keys.astype(np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed >> np.uint64(33)).astype(np.int64)
