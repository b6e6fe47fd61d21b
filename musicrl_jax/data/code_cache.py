"""A corpus as codec codes: written once in shards, read through memory maps.

    index.json               the manifest row of each clip, and what made the codes
    00000.npy, 00001.npy     [clips, s, columns]: the codec's levels, low to high, and
                             behind them a semantic token where there is one

A shard appears whole or not at all, so that building goes on where it was stopped.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int16

from musicrl_jax.core import errors
from musicrl_jax.data import manifest

INDEX = "index.json"
CLIPS_PER_SHARD = 64

Encode = Callable[[Sequence[manifest.ClipRow]], Int16[np.ndarray, "c s columns"]]
"""Rows to the codes of their clips, all of one length."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodeCache:
    """Clips of one length as codes.

    Attributes:
      rows: the manifest row of each clip.
      shards: `CLIPS_PER_SHARD` clips each, the last one the rest; on disk.
      levels: of the codec; a further column is a semantic token.
    """

    rows: tuple[manifest.ClipRow, ...]
    shards: tuple[Int16[np.ndarray, "_ s columns"], ...]
    levels: int

    @property
    def frames(self) -> int:
        """Code steps of a clip."""
        return self.shards[0].shape[1]

    def where(self, *splits: str) -> Bool[np.ndarray, " c"]:
        """Returns which clips are of one of `splits`."""
        return np.asarray([row.split in splits for row in self.rows])

    def crop(self, clip: int, start: int, frames: int) -> dict[str, np.ndarray]:
        """Reads `codes` [frames, l] of a part of a clip, and `semantic` if any."""
        shard = self.shards[clip // CLIPS_PER_SHARD]
        part = np.asarray(shard[clip % CLIPS_PER_SHARD, start : start + frames])
        found = {"codes": part[:, : self.levels]}
        if part.shape[1] > self.levels:
            found["semantic"] = part[:, self.levels]
        return found


def build(
    folder: pathlib.Path,
    rows: Sequence[manifest.ClipRow],
    made_by: Mapping[str, Any],
    encode: Encode,
) -> CodeCache:
    """Encodes the shards that are missing; returns the cache.

    Args:
      folder: of the cache.
      rows: the clips.
      made_by: what the codes depend on, fit for JSON; `levels` is needed.
      encode: called with the rows of one shard at a time.

    Raises:
      InputError: where the folder holds codes of other clips or of another codec.
    """
    index = {"made_by": dict(made_by), "rows": [dataclasses.asdict(x) for x in rows]}
    text = json.dumps(index, indent=1)
    path = folder / INDEX
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if path.read_text(encoding="utf-8") != text:
        raise errors.InputError(
            f"{folder} must hold codes of this corpus and codec; it was made from "
            "others. Remove it or choose another run_dir."
        )
    starts = range(0, len(rows), CLIPS_PER_SHARD)
    paths = [folder / f"{number:05d}.npy" for number in range(len(starts))]
    for start, shard in zip(starts, paths, strict=True):
        if not shard.exists():
            _save(shard, encode(rows[start : start + CLIPS_PER_SHARD]))
    return CodeCache(
        rows=tuple(rows),
        shards=tuple(np.load(shard, mmap_mode="r") for shard in paths),
        levels=int(made_by["levels"]),
    )


def _save(path: pathlib.Path, codes: Int16[np.ndarray, "c s columns"]) -> None:
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("wb") as file:
        np.save(file, codes)
    temporary.replace(path)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodeBatches:
    """Random crops of codes, as a pure function of the step.

    Attributes:
      cache: the corpus.
      clips: the numbers of the clips to use.
      batch_size: crops of a batch.
      frames: length of a crop.
      seed: of the crops.
    """

    cache: CodeCache
    clips: Sequence[int]
    batch_size: int
    frames: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not len(self.clips) or not 1 <= self.frames <= self.cache.frames:
            raise errors.InputError(
                f"Crops need clips of at least their length; got {len(self.clips)} "
                f"clips of {self.cache.frames} frames for crops of {self.frames}. "
                "Take longer clips or shorten the crops."
            )

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns `codes` [b, f, l] (and `semantic` [b, f]) of step `step`."""
        random = np.random.default_rng((self.seed, step))
        clips = random.choice(np.asarray(self.clips), self.batch_size)
        last = self.cache.frames - self.frames
        starts = random.integers(0, last + 1, self.batch_size)
        crops = [
            self.cache.crop(int(clip), int(start), self.frames)
            for clip, start in zip(clips, starts, strict=True)
        ]
        return {name: np.stack([crop[name] for crop in crops]) for name in crops[0]}
