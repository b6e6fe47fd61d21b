"""What a pass over a corpus has written, of all shards or of those that are there."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from musicrl_jax.data import token_cache
from musicrl_jax.data.readers import items

SKIPPED = "skipped.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What was written.

    Attributes:
      tokens: its folder.
      clips: in it.
      shards: its files.
      missing: shards that other processes have yet to write.
      too_short: clips left out because they are.
      skipped: clips that could not be read, listed in `skipped_file` in the end.
      hash: of the content; empty as long as shards are missing.
    """

    tokens: str
    clips: int
    shards: int
    missing: int
    too_short: int
    skipped: int
    skipped_file: str
    hash: str


def finished(out: str) -> Summary:
    """Returns what is said of a corpus that is whole.

    Raises:
      InputError: its index cannot be read.
    """
    index = token_cache.read_index(pathlib.Path(out))
    return Summary(
        tokens=out,
        clips=sum(shard["clips"] for shard in index.shards),
        shards=len(index.shards),
        missing=0,
        too_short=index.left_out["too_short"],
        skipped=index.left_out["unreadable"],
        skipped_file=str(pathlib.Path(out) / SKIPPED),
        hash=index.content_hash,
    )


def unfinished(
    out: str, records: Sequence[Mapping[str, Any]], shards: int, too_short: int
) -> Summary:
    """Returns what is said of a corpus of which other processes make the rest.

    Args:
      out: its folder.
      records: of the shards that are there; see `data.token_shards`.
      shards: in the end.
      too_short: clips left out because they are.
    """
    return Summary(
        tokens=out,
        clips=sum(record["clips"] for record in records),
        shards=len(records),
        missing=shards - len(records),
        too_short=too_short,
        skipped=len(bad(records)),
        skipped_file=str(pathlib.Path(out) / SKIPPED),
        hash="",
    )


def bad(records: Sequence[Mapping[str, Any]]) -> list[items.Problem]:
    """Returns what the shards of some records left out."""
    return [
        items.Problem(**problem) for record in records for problem in record["problems"]
    ]
