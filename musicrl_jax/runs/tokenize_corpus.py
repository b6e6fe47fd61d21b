"""Turns a corpus into tokens, once, for the language model.

Required: `TokenizeCorpusConfig.manifest`, `.networks` (a folder with weights of codec,
semantic tokenizer and MuLan), `.out` (a folder).
Commonly overridden: `.shards`, `.workers`, `.max_bad_share`.

A job that was killed goes on after its last finished shard, and ends with the same
bytes as one that was not.
"""

import dataclasses
import hashlib
import json
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, token_cache, token_shards
from musicrl_jax.data.readers import items
from musicrl_jax.runs import clip_encoder, directory_lock, shard_encoding, work_rate

NETWORKS = ("codec", "semantic", "mulan")
SKIPPED = "skipped.jsonl"
_SETTINGS = ("seconds", "window_seconds", "windows", "coarse_levels", "batch_size")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizeCorpusConfig:
    """A pass over the corpus with trained networks.

    Attributes:
      manifest: JSON lines file of the corpus.
      networks: folder of codec, semantic and MuLan weights.
      out: folder to write; see `data.token_cache`.
      seconds: the beginning of each clip that is kept; shorter clips are left out.
      window_seconds: length of the windows whose MuLan codes condition training.
      windows: windows of each clip, evenly spaced from its beginning to its end.
      coarse_levels: the codec's first levels that are tokens of the language model; 0
        for all.
      shards: files to write, at most one a clip. An interruption costs what is done of
        one.
      batch_size: clips at a time.
      workers: clips decoded at the same time.
      max_bad_share: of the clips, 0 to 1; with more unreadable ones the job fails.
    """

    manifest: str
    networks: str
    out: str
    seconds: float = 30.0
    window_seconds: float = 10.0
    windows: int = 5
    coarse_levels: int = 0
    shards: int = 16
    batch_size: int = 4
    workers: int = 4
    max_bad_share: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.window_seconds <= self.seconds:
            raise errors.InputError(
                "TokenizeCorpusConfig needs 0 < window_seconds <= seconds; got "
                f"{self.window_seconds} and {self.seconds}."
            )
        for name in ("windows", "shards", "batch_size", "workers"):
            if getattr(self, name) < 1:
                raise errors.InputError(
                    f"TokenizeCorpusConfig.{name} must be at least 1; got "
                    f"{getattr(self, name)}."
                )
        if not 0 <= self.max_bad_share <= 1:
            raise errors.InputError(
                "TokenizeCorpusConfig.max_bad_share must lie in [0, 1]; got "
                f"{self.max_bad_share}."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """What was written.

    Attributes:
      tokens: its folder.
      clips: in it.
      shards: its files.
      too_short: clips left out because they are.
      skipped: clips that could not be read, listed in `skipped_file`.
      hash: of the content.
    """

    tokens: str
    clips: int
    shards: int
    too_short: int
    skipped: int
    skipped_file: str
    hash: str


def run(
    config: TokenizeCorpusConfig,
    progress: work_rate.Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Summary:
    """Tokenises every clip of the manifest that is long enough.

    Args:
      config: what to do.
      progress: called with clips done, clips in all, and how fast it goes.
      clock: seconds, for the rate.

    Raises:
      InputError: for a corpus or networks that cannot be read or do not fit together,
        too many bad clips, or a folder begun with others.
    """
    rows, too_short = _rows(config)
    out = pathlib.Path(config.out)
    count = min(config.shards, len(rows))
    job = token_shards.ShardJob(
        folder=out, shards=count, made_from=_made_from(config, rows)
    )
    with directory_lock.only_one(out, "tokenize"):
        if not job.begin():
            rate = work_rate.WorkRate(len(rows), progress, clock)
            encoder, bad = _write_shards(config, rows, job, rate)
            left_out = {"too_short": too_short, "unreadable": len(bad)}
            job.finish(encoder.starts, encoder.window_frames, left_out)
    index = token_cache.read_index(out)
    return Summary(
        tokens=config.out,
        clips=sum(shard["clips"] for shard in index.shards),
        shards=len(index.shards),
        too_short=index.left_out["too_short"],
        skipped=index.left_out["unreadable"],
        skipped_file=str(out / SKIPPED),
        hash=index.content_hash,
    )


def _rows(
    config: TokenizeCorpusConfig,
) -> tuple[tuple[manifest.ClipRow, ...], int]:
    """Returns the rows that are long enough, and how many are not."""
    corpus = manifest.read_manifest(pathlib.Path(config.manifest)).rows
    rows = tuple(row for row in corpus if row.duration_seconds >= config.seconds)
    if not rows:
        raise errors.InputError(
            f"{config.manifest} has no clip of {config.seconds} s or more. Set "
            "TokenizeCorpusConfig.seconds lower."
        )
    return rows, len(corpus) - len(rows)


def _made_from(
    config: TokenizeCorpusConfig, rows: Sequence[manifest.ClipRow]
) -> dict[str, Any]:
    """Returns what the tokens follow from, wherever it lies."""
    folder = pathlib.Path(config.manifest).parent
    lines = [dataclasses.asdict(shard_encoding.relative(row, folder)) for row in rows]
    about = {name: getattr(config, name) for name in _SETTINGS}
    about["clips"] = _digest(json.dumps(lines).encode())
    for name in NETWORKS:
        path = pathlib.Path(config.networks) / f"{name}.safetensors"
        weights.read_config(path)
        about[name] = _digest(path.read_bytes())
    return about


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_shards(
    config: TokenizeCorpusConfig,
    rows: Sequence[manifest.ClipRow],
    job: token_shards.ShardJob,
    rate: work_rate.WorkRate,
) -> tuple[clip_encoder.ClipEncoder, list[items.Problem]]:
    """Writes the shards that are not finished; returns what all of them left out."""
    encoder = clip_encoder.ClipEncoder(
        pathlib.Path(config.networks),
        config.seconds,
        config.window_seconds,
        config.windows,
        config.coarse_levels,
    )
    encoding = shard_encoding.ShardEncoding(
        encoder=encoder,
        rows=rows,
        folder=pathlib.Path(config.manifest).parent,
        batch_size=config.batch_size,
        workers=config.workers,
    )
    listed = pathlib.Path(config.out) / SKIPPED
    bad: list[items.Problem] = []
    for number in range(job.shards):
        first, last = (
            place * len(rows) // job.shards for place in (number, number + 1)
        )
        record = job.finished(number)
        if record is None:
            problems: list[items.Problem] = []
            clips = encoding.clips(range(first, last), problems, rate.advance)
            record = job.write(number, clips, problems)
        else:
            rate.skip(last)
        bad += [items.Problem(**problem) for problem in record["problems"]]
        items.write_problems(listed, bad)
        good = len(rows) - len(bad)
        items.check_share(config.manifest, good, bad, config.max_bad_share, str(listed))
    return encoder, bad
