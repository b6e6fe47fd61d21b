"""The tokenised corpus: what the language model trains on, in one file.

    tokens        [c, f, q]  the clips
    audio_codes   [c, a, k]  MuLan codes of `a` windows of each clip
    audio_starts  [a]        the frame where each window starts
    text_codes    [r, k]     MuLan codes of all captions, clip by clip
    text_starts   [c + 1]    clip i's captions are rows text_starts[i] to [i + 1]

and for each clip its manifest row (captions, attributes, split).
"""

import dataclasses
import json
import pathlib
import zipfile
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Int16, Int32

from musicrl_jax.core import errors
from musicrl_jax.data import manifest

_ARRAYS = ("tokens", "audio_codes", "audio_starts", "text_codes", "text_starts")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenCache:
    """Clips as tokens, with their conditioning tokens.

    Attributes:
      rows: the manifest row of each clip, in the order of axis c.
      tokens: ids of the clips, by the token layout.
      audio_codes: conditioning tokens of windows of each clip.
      audio_starts: first frame of each window.
      window_frames: frames of a window.
      text_codes: conditioning tokens of captions.
      text_starts: where each clip's captions begin; one more entry at the end.
    """

    rows: tuple[manifest.ClipRow, ...]
    tokens: Int16[np.ndarray, "c f q"]
    audio_codes: Int16[np.ndarray, "c a k"]
    audio_starts: Int32[np.ndarray, " a"]
    window_frames: int
    text_codes: Int16[np.ndarray, "r k"]
    text_starts: Int32[np.ndarray, " c1"]

    def __post_init__(self) -> None:
        clips = len(self.rows)
        counts = (len(self.tokens), len(self.audio_codes), len(self.text_starts) - 1)
        if set(counts) != {clips} or self.text_starts[-1] != len(self.text_codes):
            raise errors.InputError(
                f"A token cache needs one entry a clip; it has {clips} rows and "
                f"{counts} tokens, audio codes and captions. Tokenise the corpus again."
            )

    def where(self, *splits: str) -> Bool[np.ndarray, " c"]:
        """Returns which clips are of one of `splits`."""
        return np.asarray([row.split in splits for row in self.rows])

    def texts(self, clip: int) -> Int16[np.ndarray, "captions k"]:
        """Returns the codes of a clip's captions, in the order of its row."""
        return self.text_codes[self.text_starts[clip] : self.text_starts[clip + 1]]

    def overlapping(self, start: int, frames: int) -> Int[np.ndarray, " windows"]:
        """Returns the windows that share the most frames with a crop of the clip."""
        ends = np.minimum(self.audio_starts + self.window_frames, start + frames)
        shared = ends - np.maximum(self.audio_starts, start)
        return np.flatnonzero(shared == shared.max())


def save(path: pathlib.Path, cache: TokenCache) -> None:
    """Writes the cache as one `.npz`; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "window_frames": cache.window_frames,
        "rows": [dataclasses.asdict(row) for row in cache.rows],
    }
    arrays: dict[str, Any] = {name: getattr(cache, name) for name in _ARRAYS}
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
    temporary.replace(path)


def load(path: pathlib.Path) -> TokenCache:
    """Reads what `save` wrote.

    Raises:
      InputError: where the file is missing, damaged or something else.
    """
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            arrays = {name: file[name] for name in _ARRAYS}
            about = json.loads(file["about"].tobytes())
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise errors.InputError(
            f"{path} must be a token cache; {error}. Tokenise the corpus again."
        ) from error
    rows = tuple(
        manifest.ClipRow(**(row | {"captions": tuple(row["captions"])}))
        for row in about["rows"]
    )
    return TokenCache(rows=rows, window_frames=about["window_frames"], **arrays)
