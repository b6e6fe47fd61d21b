"""Writes a tokenised corpus shard by shard; what is finished outlives a kill.

A shard's file gets its name when it is whole, and then a record beside it (`.json`)
with its hash. A job that is started again keeps the shards that have both. When all are
there, `index.json` takes the place of the records; where a shard is damaged later, they
take its place again.
"""

import dataclasses
import hashlib
import json
import pathlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import array_record.python.array_record_module as record_files
import numpy as np

from musicrl_jax.core import errors
from musicrl_jax.data import token_cache, token_records
from musicrl_jax.data.readers import items

_JOB = "job.json"
_OPTIONS = "group_size:1"  # records are read one at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardJob:
    """One tokenised corpus in the making.

    Attributes:
      folder: where it goes.
      shards: number of its files.
      made_from: digests and settings that its content follows from; fit for JSON.
    """

    folder: pathlib.Path
    shards: int
    made_from: Mapping[str, Any]

    def begin(self) -> bool:
        """Claims the folder; returns whether the corpus is finished and whole.

        A finished corpus is read through. Where a shard is gone or not what was
        written, the job goes on with that one.

        Raises:
          InputError: where the folder was begun from something else.
        """
        index, job = self.folder / token_cache.INDEX, self.folder / _JOB
        if index.is_file():
            found = token_cache.read_index(self.folder)
            self._check(index, found.made_from)
            return self._is_whole(found)
        if job.is_file():
            self._check(job, json.loads(job.read_text(encoding="utf-8")))
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        _write_json(job, self._identity())
        return False

    def path(self, number: int) -> pathlib.Path:
        """Returns the file of shard `number`."""
        return self.folder / f"tokens-{number:05d}-of-{self.shards:05d}.array_record"

    def finished(self, number: int) -> dict[str, Any] | None:
        """Returns the record of a shard that is whole; None for another."""
        path = self.path(number)
        try:
            record = json.loads(_record(path).read_text(encoding="utf-8"))
            return record if _is_intact(path, record) else None
        except (OSError, ValueError, KeyError):
            return None

    def write(
        self,
        number: int,
        clips: Iterable[token_records.TokenClip],
        problems: Sequence[items.Problem] = (),
    ) -> dict[str, Any]:
        """Writes shard `number` and returns its record.

        Args:
          number: of the shard.
          clips: what it holds; where this raises, the shard is not finished.
          problems: what was left out, complete when `clips` is at its end.
        """
        path = self.path(number)
        partial = path.with_name(path.name + ".partial")
        shapes, splits, largest = set(), {}, np.zeros(0, int)
        writer = record_files.ArrayRecordWriter(str(partial), _OPTIONS)
        try:
            for place, clip in enumerate(clips):
                writer.write(token_records.encode(clip))
                shapes.add((*clip.tokens.shape, *clip.audio_codes.shape))
                splits.setdefault(clip.row.split, []).append(place)
                tops = clip.tokens.max(axis=0).astype(int)
                largest = np.maximum(largest, tops) if largest.size else tops
        finally:
            writer.close()
        record = {
            "file": path.name,
            "bytes": partial.stat().st_size,
            "sha256": _sha256(partial),
            "clips": sum(map(len, splits.values())),
            "splits": splits,
            "shapes": [list(shape) for shape in sorted(shapes)],
            "largest_tokens": largest.tolist(),
            "problems": [dataclasses.asdict(problem) for problem in problems],
        }
        partial.replace(path)
        _write_json(_record(path), record)
        return record

    def records(self) -> list[dict[str, Any]]:
        """Returns the records of the shards that are whole, in order."""
        found = map(self.finished, range(self.shards))
        return [record for record in found if record is not None]

    def finish(
        self,
        records: Sequence[Mapping[str, Any]],
        audio_starts: Iterable[int],
        window_frames: int,
        left_out: Mapping[str, int],
    ) -> token_cache.Index:
        """Writes the index of the finished shards, all of them, and returns it.

        Raises:
          InputError: where the clips do not have one shape, or there are none.
        """
        shapes = {tuple(shape) for record in records for shape in record["shapes"]}
        if len(shapes) != 1:
            raise errors.InputError(
                "The clips of a tokenised corpus must be of one shape; got "
                f"{sorted(shapes)} as frames, tokens, windows and codes. Leave others "
                "out."
            )
        ((frames, _, _, codes),) = shapes
        largest = [r["largest_tokens"] for r in records if r["clips"]]
        hashes = "".join(record["sha256"] for record in records)
        index = token_cache.Index(
            shards=tuple(records),
            frames=frames,
            largest_tokens=tuple(np.max(largest, axis=0).tolist()),
            conditioning_tokens=codes,
            audio_starts=tuple(int(start) for start in audio_starts),
            window_frames=window_frames,
            made_from=self._identity(),
            left_out=dict(left_out),
            content_hash=hashlib.sha256(hashes.encode()).hexdigest(),
        )
        _write_json(self.folder / token_cache.INDEX, dataclasses.asdict(index))
        self._clean()
        return index

    def _is_whole(self, index: token_cache.Index) -> bool:
        """Returns whether all shards are what `index` says; if not, reopens the job."""
        paths = [self.path(number) for number in range(self.shards)]
        shards = list(zip(paths, index.shards, strict=True))
        whole = [(path, shard) for path, shard in shards if _is_intact(path, shard)]
        if len(whole) == len(shards):
            self._clean()
            return True
        for path, shard in whole:
            if "problems" in shard:  # not in an index of an early version
                _write_json(_record(path), shard)
        _write_json(self.folder / _JOB, self._identity())
        (self.folder / token_cache.INDEX).unlink(missing_ok=True)
        return False

    def _identity(self) -> dict[str, Any]:
        return dict(self.made_from) | {"shards": self.shards}

    def _check(self, path: pathlib.Path, found: Mapping[str, Any]) -> None:
        wanted = self._identity()
        names = wanted.keys() | found.keys()
        if other := [n for n in sorted(names) if wanted.get(n) != found.get(n)]:
            raise errors.InputError(
                f"{path.parent} holds a corpus made from other {', '.join(other)} than "
                "asked for now. Choose another folder, or remove this one."
            )

    def _clean(self) -> None:
        """Removes what only an unfinished job needs."""
        for number in range(self.shards):
            _record(self.path(number)).unlink(missing_ok=True)
        (self.folder / _JOB).unlink(missing_ok=True)


def _record(path: pathlib.Path) -> pathlib.Path:
    return path.with_suffix(".json")


def _is_intact(path: pathlib.Path, record: Mapping[str, Any]) -> bool:
    if not path.is_file() or path.stat().st_size != record["bytes"]:
        return False
    return _sha256(path) == record["sha256"]


def _sha256(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: pathlib.Path, value: object) -> None:
    """Writes JSON through a temporary file: a reader sees all or nothing."""
    # Processes that share a folder may write the same file at the same time.
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    temporary.write_text(json.dumps(value, indent=1, sort_keys=True), encoding="utf-8")
    temporary.replace(path)
