"""The tokenised corpus: what the language model trains on, a folder of shards.

`tokens-00000-of-00008.array_record` and so on have one record a clip (see
`token_records`), in the order of the manifest; `index.json` says what they hold. Clips
are read when they are asked for, so that a corpus may be larger than the memory.
`token_shards` writes it.
"""

import bisect
import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from array_record.python import array_record_data_source
from jaxtyping import Bool, Int, Int32

from musicrl_jax.core import errors
from musicrl_jax.data import token_records

INDEX = "index.json"
FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Index:
    """What `index.json` says.

    Attributes:
      shards: of each file `file`, `bytes`, `sha256`, `clips`, and for each split in
        `splits` the places of its clips; `shapes`, `largest_tokens` and `problems` are
        for the job that writes it again.
      frames: of each clip.
      largest_tokens: the largest id of each of a frame's positions.
      conditioning_tokens: codes of a window or a caption.
      audio_starts: first frame of each window.
      window_frames: frames of a window.
      made_from: digests and settings that the corpus follows from.
      left_out: numbers of clips by the reason that they are not there.
      content_hash: SHA-256 over the shards, in hexadecimal.
    """

    shards: tuple[Mapping[str, Any], ...]
    frames: int
    largest_tokens: tuple[int, ...]
    conditioning_tokens: int
    audio_starts: tuple[int, ...]
    window_frames: int
    made_from: Mapping[str, Any]
    left_out: Mapping[str, int]
    content_hash: str
    format: int = FORMAT


class TokenCache:
    """A tokenised corpus, open for reading; several threads may read.

    Attributes:
      folder: where it lies.
      index: what it holds.
      audio_starts: as an array.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        """Opens a corpus and looks whether its files are whole.

        Raises:
          InputError: where a file is missing, cut off or something else.
        """
        self.folder = folder
        self.index = read_index(folder)
        self.audio_starts: Int32[np.ndarray, " a"] = np.asarray(
            self.index.audio_starts, np.int32
        )
        full = [shard for shard in self.index.shards if shard["clips"]]
        for shard in full:
            _check_size(folder / shard["file"], shard["bytes"])
        self._files = [str(folder / shard["file"]) for shard in full]
        self._ends = list(itertools.accumulate(shard["clips"] for shard in full))
        # Told how many records each has, the library opens no file before its time.
        self._records = array_record_data_source.ArrayRecordDataSource(
            [
                f"{file}[0:{shard['clips']}]"
                for file, shard in zip(self._files, full, strict=True)
            ]
        )

    def __len__(self) -> int:
        """Returns the number of clips."""
        return self._ends[-1]

    def clip(self, number: int) -> token_records.TokenClip:
        """Returns clip `number`; see `clips`."""
        return self.clips([number])[0]

    def clips(self, numbers: Iterable[int]) -> list[token_records.TokenClip]:
        """Reads clips at the same time and returns them in the order asked for.

        Raises:
          InputError: where a record is damaged; it names the file.
          IndexError: for a number beyond the corpus.
        """
        wanted = [int(number) for number in numbers]
        for number in wanted:
            if not 0 <= number < len(self):
                raise IndexError(f"clip {number} of {len(self)}")
        if not wanted:
            return []
        try:
            records = self._records.__getitems__(wanted)
            return [token_records.decode(record) for record in records]
        except (RuntimeError, ValueError) as error:
            places = sorted({bisect.bisect(self._ends, number) for number in wanted})
            names = ", ".join(self._files[place] for place in places)
            raise errors.InputError(
                f"The clips of a tokenised corpus must be whole; one in {names} is "
                f"not: {error}. Tokenise the corpus again."
            ) from error

    def where(self, *splits: str) -> Bool[np.ndarray, " c"]:
        """Returns which clips are of one of `splits`."""
        found = np.zeros(len(self), bool)
        start = 0
        for shard in self.index.shards:
            for split in splits:
                found[start + np.asarray(shard["splits"].get(split, []), int)] = True
            start += shard["clips"]
        return found

    def overlapping(self, start: int, frames: int) -> Int[np.ndarray, " windows"]:
        """Returns the windows that share the most frames with a crop of the clip."""
        ends = np.minimum(self.audio_starts + self.index.window_frames, start + frames)
        shared = ends - np.maximum(self.audio_starts, start)
        return np.flatnonzero(shared == shared.max())


def read_index(folder: pathlib.Path) -> Index:
    """Reads what a folder holds.

    Raises:
      InputError: where it is missing, unfinished, or something else.
    """
    try:
        fields = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        lists = {name: tuple(fields[name]) for name in _LISTS}
        index = Index(**(fields | lists))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise errors.InputError(
            f"{folder} must be a tokenised corpus with an {INDEX}; {error}. Run "
            "`musicrl tokenize`, which goes on where it was stopped."
        ) from error
    if index.format != FORMAT or not any(shard["clips"] for shard in index.shards):
        raise errors.InputError(
            f"{folder} must have clips in format {FORMAT}; it is of format "
            f"{index.format}. Tokenise the corpus again."
        )
    return index


_LISTS = ("shards", "largest_tokens", "audio_starts")


def _check_size(path: pathlib.Path, size: int) -> None:
    found = path.stat().st_size if path.is_file() else 0
    if found != size:
        raise errors.InputError(
            f"{path} must have {size} bytes; it has {found}. Copy it again, or "
            "tokenise the corpus again."
        )
