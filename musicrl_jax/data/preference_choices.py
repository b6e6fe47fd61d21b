"""Which pairs of a preference set are trained on, and which are held out."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from musicrl_jax.core import errors
from musicrl_jax.data import preference_rows, splits

HELD_OUT_SHARE = 0.05
"""That of the paper: 15,000 of 300,000 pairs (section 3.3)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """Which pairs are used, and how they are split.

    Attributes:
      min_confidence: pairs below it are left out, and with a value above 0 also those
        whose confidence is not known (paper, section 7).
      groups: of users that the model is for; empty for all.
      exact_counts: pairs to train on and to hold out, in place of a split by caption:
        (285000, 15000) in the paper. Empty splits by caption, so that none is in both.
    """

    min_confidence: float = 0.0
    groups: tuple[str, ...] = ()
    exact_counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        counts = len(self.exact_counts) in (0, 2) and min(self.exact_counts, default=1)
        if not 0 <= self.min_confidence <= 1 or counts < 1:
            raise errors.InputError(
                "SelectionConfig needs min_confidence in [0, 1] and two exact_counts "
                f"of 1 or more, or none; got {self.min_confidence} and "
                f"{self.exact_counts}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choices:
    """Pairs of which one clip was chosen.

    Attributes:
      captions: of each pair.
      preferred: rows of the chosen clips among the set's tokens.
      other: rows of the clips that they were preferred to.
      first: whether the chosen clip was the pair's first.
    """

    captions: tuple[str, ...]
    preferred: Int[np.ndarray, " p"]
    other: Int[np.ndarray, " p"]
    first: Bool[np.ndarray, " p"]

    def __len__(self) -> int:
        return len(self.captions)

    @property
    def cluster_kind(self) -> str:
        """What choices of one cluster share: "prompt", or "pair" if all share that."""
        several = len(set(map(preference_rows.normalised, self.captions))) > 1
        return "prompt" if several else "pair"

    @property
    def clusters(self) -> Int[np.ndarray, " p"]:
        """The number of each choice's cluster: choices in one are not independent."""
        if self.cluster_kind == "prompt":
            names = np.asarray([preference_rows.normalised(x) for x in self.captions])
            return np.unique(names, return_inverse=True)[1]
        clips = np.sort(np.stack([self.preferred, self.other], axis=1), axis=1)
        return np.unique(clips, axis=0, return_inverse=True)[1].reshape(-1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """A split set.

    Attributes:
      train: pairs to learn from.
      held_out: pairs to judge on.
      counts: pairs in all, left out for each reason, and captions in both splits.
    """

    train: Choices
    held_out: Choices
    counts: dict[str, int]


def select(
    pairs: Sequence[preference_rows.Preference], config: SelectionConfig
) -> Selection:
    """Splits the usable pairs; the order of the rows has no influence on the split.

    Raises:
      InputError: where either split is empty, or there are fewer pairs than
        `exact_counts` asks for.
    """
    reasons = [_left_out(pair, config) for pair in pairs]
    used = [pair for pair, reason in zip(pairs, reasons, strict=True) if reason is None]
    train, held_out = _split(used, config)
    if not train or not held_out:
        raise errors.InputError(
            f"A preference set needs pairs to train on and to hold out; {len(pairs)}, "
            f"{len(used)} of them usable, leave {len(train)} and {len(held_out)}. "
            f"{_remedy(len(used))}"
        )
    both = {_name(pair) for pair in train} & {_name(pair) for pair in held_out}
    left_out = collections.Counter(reason for reason in reasons if reason)
    counts = {
        "pairs": len(pairs),
        "train": len(train),
        "held_out": len(held_out),
        "captions_in_both": len(both),
        **{f"left_out/{reason}": n for reason, n in sorted(left_out.items())},
    }
    return Selection(train=_choices(train), held_out=_choices(held_out), counts=counts)


def _remedy(used: int) -> str:
    """Returns what to do where a split by caption leaves one side empty."""
    if used < 2:
        return "Collect more choices, or widen SelectionConfig."
    held_out = max(1, round(HELD_OUT_SHARE * used))
    return (
        "Collect more, with more captions, or split by count: set "
        f"SelectionConfig.exact_counts=({used - held_out}, {held_out})."
    )


def _left_out(pair: preference_rows.Preference, config: SelectionConfig) -> str | None:
    """Returns why a pair is not used, or None."""
    if pair.choice is None:
        return "no_choice"
    if pair.choice == preference_rows.TIE:
        return "tie"
    if config.groups and pair.group not in config.groups:
        return "other_group"
    # Whoever asks for sure choices does not mean those that nobody vouches for.
    confidence = 0.0 if pair.confidence is None else pair.confidence
    return "unsure" if confidence < config.min_confidence else None


def _split(
    used: Sequence[preference_rows.Preference], config: SelectionConfig
) -> tuple[list[preference_rows.Preference], list[preference_rows.Preference]]:
    """Returns the pairs to train on and those held out."""
    if not config.exact_counts:
        by_split: dict[str, list[preference_rows.Preference]] = {
            splits.TRAIN: [],
            splits.HELD_OUT: [],
        }
        for pair in used:
            by_split[splits.split_of(_name(pair), HELD_OUT_SHARE)].append(pair)
        return by_split[splits.TRAIN], by_split[splits.HELD_OUT]
    train, held_out = config.exact_counts
    if train + held_out > len(used):
        raise errors.InputError(
            f"exact_counts asks for {train} + {held_out} pairs; {len(used)} can be "
            "used. Set SelectionConfig.exact_counts lower."
        )
    # By caption first, so that at most one caption is on both sides.
    ordered = sorted(
        used, key=lambda pair: (splits.place_of(_name(pair)), pair.user, pair.a, pair.b)
    )
    return ordered[len(ordered) - train :], ordered[:held_out]


def _name(pair: preference_rows.Preference) -> str:
    return preference_rows.normalised(pair.caption)


def _choices(pairs: Sequence[preference_rows.Preference]) -> Choices:
    first = np.asarray([pair.choice == preference_rows.FIRST for pair in pairs], bool)
    a = np.asarray([pair.a for pair in pairs], np.int64)
    b = np.asarray([pair.b for pair in pairs], np.int64)
    return Choices(
        captions=tuple(pair.caption for pair in pairs),
        preferred=np.where(first, a, b),
        other=np.where(first, b, a),
        first=first,
    )
