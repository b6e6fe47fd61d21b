"""The held-out clips that a run is measured on, in memory."""

import logging
import pathlib

import numpy as np
from jaxtyping import Int16

from musicrl_jax.core import errors
from musicrl_jax.data import clip_sources, manifest
from musicrl_jax.data.readers import items

_LOG = logging.getLogger(__name__)


def load(
    corpus: manifest.Manifest,
    sample_rate_hz: int,
    *,
    count: int,
    shortest: int,
    listed: pathlib.Path,
    max_bad_share: float = 0.05,
) -> list[Int16[np.ndarray, " _"]]:
    """Reads the first held-out clips that can be read and are long enough.

    The next ones take the place of those left out, which are listed. Short ones are not
    bad: they only hold too little to measure.

    Args:
      corpus: with held-out clips.
      sample_rate_hz: that they are resampled to.
      count: clips wanted; fewer come back where the corpus has no more.
      shortest: samples that a clip must have.
      listed: where clips left out are listed, a JSON object a line, if there are any.
      max_bad_share: of all clips of the corpus, 0 to 1; with more unreadable ones
        reading fails.

    Raises:
      InputError: where too many clips cannot be read, or none can be used.
    """
    rows = corpus.of_split("held_out")
    clips: list[Int16[np.ndarray, " _"]] = []
    bad: list[items.Problem] = []
    short: list[items.Problem] = []
    position = 0
    while len(clips) < count and position < len(rows):
        some = rows[position : position + count - len(clips)]
        found = clip_sources.load(some, sample_rate_hz).clips
        for row, clip in zip(some, found, strict=True):
            position += 1
            if isinstance(clip, str):
                bad.append(items.Problem(row=position, name=row.path, reason=clip))
            elif len(clip) < shortest:
                reason = f"{len(clip)} samples are fewer than a crop's {shortest}."
                short.append(items.Problem(row=position, name=row.path, reason=reason))
            else:
                clips.append(clip)
        _list(listed, bad + short)
        good = len(corpus.rows) - len(bad)
        items.check_share("The corpus", good, bad, max_bad_share, str(listed))
    if left_out := len(bad) + len(short):
        _LOG.warning("%d held-out clips are left out; see %s", left_out, listed)
    _check_any(len(clips), min(count, len(rows)), shortest / sample_rate_hz, listed)
    return clips


def _list(path: pathlib.Path, left_out: list[items.Problem]) -> None:
    """Writes the clips left out in their order, if there are any."""
    if left_out:
        items.write_problems(path, sorted(left_out, key=lambda problem: problem.row))


def _check_any(found: int, wanted: int, seconds: float, listed: pathlib.Path) -> None:
    """Refuses a corpus whose held-out clips are all left out."""
    if wanted and not found:
        raise errors.InputError(
            f"One held-out clip at least must be readable and {seconds:.2f} s long, as "
            f"a training crop is; none is. Mend those that {listed} lists, or hold out "
            "others with ManifestConfig.held_out_share."
        )
