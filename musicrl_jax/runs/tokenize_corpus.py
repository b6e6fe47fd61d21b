"""Turns a corpus into tokens, once, for the language model.

Required: `TokenizeCorpusConfig.manifest`, `.networks` (a folder with weights of codec,
semantic tokenizer and MuLan), `.out` (a folder).
Commonly overridden: `.shards`, `.workers`, `.max_bad_share`; `.part` and `.parts` for
several processes or hosts that share the folder.

A job that was killed goes on after its last finished shard, and ends with the same
bytes as one that was not, or that several processes shared. The process that finds all
shards there, whichever it is, writes the index.
"""

import dataclasses
import hashlib
import json
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, token_cache, token_shards
from musicrl_jax.data.readers import items
from musicrl_jax.runs import (
    clip_encoder,
    directory_lock,
    shard_encoding,
    tokenized,
    work_rate,
)

NETWORKS = ("codec", "semantic", "mulan")
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
      part: of the shards that this process writes, 0 first.
      parts: processes that share the job, each with another `part`.
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
    part: int = 0
    parts: int = 1

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
        if not 0 <= self.part < self.parts <= self.shards:
            raise errors.InputError(
                "TokenizeCorpusConfig needs 0 <= part < parts <= shards; got "
                f"{self.part}, {self.parts} and {self.shards}. Give each process "
                "another part, and the job as many shards or more."
            )
        for name in ("manifest", "networks", "out"):
            if "://" in getattr(self, name):
                raise errors.InputError(
                    f"TokenizeCorpusConfig.{name} must be a path of a file system; got "
                    f"{getattr(self, name)}. Mount the bucket."
                )
        if not 0 <= self.max_bad_share <= 1:
            raise errors.InputError(
                "TokenizeCorpusConfig.max_bad_share must lie in [0, 1]; got "
                f"{self.max_bad_share}."
            )


def run(
    config: TokenizeCorpusConfig,
    progress: work_rate.Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tokenized.Summary:
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
    with directory_lock.only_one(out, _lock(config)):
        if not job.begin():
            work = Work(config=config, rows=rows, job=job)
            rate = work_rate.WorkRate(len(work.places()), progress, clock)
            encoder = work.write_shards(rate)
            records = job.records()
            whole = len(records) == count
            if whole:
                work.check_and_list(records)
                for listed in out.glob("skipped-*-of-*.jsonl"):
                    listed.unlink(missing_ok=True)
                left_out = {
                    "too_short": too_short,
                    "unreadable": len(tokenized.bad(records)),
                }
                job.finish(records, encoder.starts, encoder.window_frames, left_out)
            # Another process may have finished the job and cleared the records away.
            elif not (out / token_cache.INDEX).is_file():
                return tokenized.unfinished(config.out, records, count, too_short)
    return tokenized.finished(config.out)


def _lock(config: TokenizeCorpusConfig) -> str:
    whole = config.parts == 1
    return "tokenize" if whole else f"tokenize-{config.part}-of-{config.parts}"


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """The shards of one process.

    Attributes:
      config: what to do.
      rows: of all processes.
      job: of all processes.
    """

    config: TokenizeCorpusConfig
    rows: Sequence[manifest.ClipRow]
    job: token_shards.ShardJob

    def numbers(self) -> range:
        """Returns the shards of this process."""
        part, parts, shards = self.config.part, self.config.parts, self.job.shards
        return range(part * shards // parts, (part + 1) * shards // parts)

    def places(self) -> range:
        """Returns the rows of these shards."""
        numbers = self.numbers()
        return range(self._first(numbers.start), self._first(numbers.stop))

    def write_shards(self, rate: work_rate.WorkRate) -> clip_encoder.ClipEncoder:
        """Writes those that are not finished; returns the networks.

        Raises:
          InputError: too many clips are bad.
        """
        config, start = self.config, self.places().start
        encoder = clip_encoder.ClipEncoder(
            pathlib.Path(config.networks),
            config.seconds,
            config.window_seconds,
            config.windows,
            config.coarse_levels,
        )
        encoding = shard_encoding.ShardEncoding(
            encoder=encoder,
            rows=self.rows,
            folder=pathlib.Path(config.manifest).parent,
            batch_size=config.batch_size,
            workers=config.workers,
        )
        records = []
        for number in self.numbers():
            places = range(self._first(number), self._first(number + 1))
            record = self.job.finished(number)
            if record is None:
                problems: list[items.Problem] = []
                clips = encoding.clips(
                    places, problems, lambda done: rate.advance(done - start)
                )
                record = self.job.write(number, clips, problems)
            else:
                rate.skip(places.stop - start)
            records.append(record)
            self.check_and_list(records)
        return encoder

    def check_and_list(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Lists the bad clips of some shards, beside the list of all if others share.

        Raises:
          InputError: they are too many of all clips.
        """
        bad = tokenized.bad(records)
        listed = self._list(whole=len(records) == self.job.shards)
        items.write_problems(listed, bad)
        good = len(self.rows) - len(bad)
        share = self.config.max_bad_share
        items.check_share(self.config.manifest, good, bad, share, str(listed))

    def _list(self, *, whole: bool) -> pathlib.Path:
        out, config = pathlib.Path(self.config.out), self.config
        if whole or config.parts == 1:
            return out / tokenized.SKIPPED
        return out / f"skipped-{config.part}-of-{config.parts}.jsonl"

    def _first(self, number: int) -> int:
        """Returns the first row of shard `number`."""
        return number * len(self.rows) // self.job.shards
