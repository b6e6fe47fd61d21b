"""Which votes of a data set may be used, and the recordings that they are about."""

import collections
import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import UInt16

from musicrl_jax.core import errors
from musicrl_jax.data.readers import audio_folder, items, votes
from musicrl_jax.runs import heard_parts

_ROUNDING = 1e-3  # seconds; times of a data set may be rounded


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlacedVote:
    """A vote and the parts of recordings that it is about."""

    vote: votes.Vote
    first: heard_parts.Part
    second: heard_parts.Part


def filtered(
    found: Iterable[votes.Vote], *, licences: Sequence[str], min_seconds: float
) -> tuple[list[votes.Vote], dict[str, int]]:
    """Returns the votes that may be used, and how many may not, by the reason.

    Args:
      found: votes.
      licences: that may be used; none for all.
      min_seconds: that both clips must have been played, where it is known.
    """
    kept: list[votes.Vote] = []
    dropped: collections.Counter[str] = collections.Counter()
    for vote in found:
        if licences and vote.licence not in licences:
            dropped["another licence"] += 1
        elif vote.question != votes.MUSIC:
            dropped["another question"] += 1
        elif vote.choice is None:
            dropped["no choice"] += 1
        elif not votes.listened_to_both(vote, min_seconds):
            dropped["not listened to both"] += 1
        else:
            kept.append(vote)
    return kept, dict(dropped)


def heard(
    kept: Sequence[votes.Vote], seconds: float, problems: list[items.Problem]
) -> list[votes.Vote]:
    """Returns the votes whose raters heard so much; `problems` takes up the others.

    Args:
      kept: votes; where the length of their parts is not known they pass.
      seconds: of each recording that are used.
      problems: takes up votes on shorter parts.

    Raises:
      InputError: where most parts of known length are shorter.
    """
    lengths = [votes.part_seconds(vote) for vote in kept]
    known = [length for length in lengths if length is not None]
    if known and (most := statistics.median_low(known)) < seconds - _ROUNDING:
        raise errors.InputError(
            f"Raters heard parts of {most:g} s, and no more may be used; got "
            f"{seconds:g}. Pass --seconds {most:g}."
        )
    found = []
    for vote, length in zip(kept, lengths, strict=True):
        if length is None or length >= seconds - _ROUNDING:
            found.append(vote)
            continue
        reason = f"raters heard {length:g} s; {seconds:g} are used."
        problems.append(items.Problem(row=vote.row, name=vote.identity, reason=reason))
    return found


def placed(
    folder: audio_folder.AudioFolder,
    kept: Iterable[votes.Vote],
    problems: list[items.Problem],
) -> list[PlacedVote]:
    """Returns votes with their two recordings; `problems` takes up the others."""
    found = []
    for vote in kept:
        first, second = (_part(folder, clip) for clip in (vote.clip_a, vote.clip_b))
        if first is None or second is None:
            missing = (vote.clip_b if first else vote.clip_a).places
            reason = f"there is no audio file {' or '.join(missing)}."
        elif first == second:
            reason = f"both clips are {first.path}; a vote is about two."
        else:
            found.append(PlacedVote(vote=vote, first=first, second=second))
            continue
        absent = first is None or second is None
        problems.append(
            items.Problem(
                row=vote.row, name=vote.identity, reason=reason, absent=absent
            )
        )
    return found


def encoded(
    encoder: heard_parts.PartEncoder,
    found: Sequence[PlacedVote],
    problems: list[items.Problem],
    progress: Callable[[int, int], None] | None = None,
) -> dict[heard_parts.Part, UInt16[np.ndarray, "f q"]]:
    """Returns the tokens of all readable parts; `problems` takes up other votes."""
    parts = list(dict.fromkeys(p for one in found for p in (one.first, one.second)))

    def advance(done: int) -> None:
        if progress is not None:
            progress(done, len(parts))

    tokens, bad = encoder.encode(parts, advance)
    for one in found:
        if reason := bad.get(one.first) or bad.get(one.second):
            name = one.vote.identity
            problems.append(items.Problem(row=one.vote.row, name=name, reason=reason))
    return tokens


def _part(
    folder: audio_folder.AudioFolder, clip: votes.Clip
) -> heard_parts.Part | None:
    """Returns the part of a recording; a copy may have left out its folders."""
    names = (place.rpartition("/")[2] for place in clip.places)
    paths = (folder.find(place) for place in (*clip.places, *names))
    path = next(filter(None, paths), None)
    if path is None:
        return None
    return heard_parts.Part(
        path=str(folder.root / path), begin_seconds=clip.begin_seconds
    )
