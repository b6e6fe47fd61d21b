"""Caption files: prompts by number, the same on every machine.

A caption file has one JSON text a line. Actors need no reader with a state: the
prompts of an actor's batch follow from the seed, the actor and the batch's number.
"""

import functools
import hashlib
import json
import mmap
import pathlib
from collections.abc import Iterable

import numpy as np
from jaxtyping import Int

from musicrl_jax.core import errors


def build_caption_file(captions: Iterable[str], path: pathlib.Path) -> str:
    """Writes a caption file and returns its content hash.

    Raises:
      InputError: for a caption without text, or none at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        for number, caption in enumerate(captions):
            if not caption.strip():
                raise errors.InputError(
                    f"Captions need text; number {number} is {caption!r}. Leave it out."
                )
            file.write(json.dumps(caption, ensure_ascii=False) + "\n")
    if not temporary.stat().st_size:
        raise errors.InputError(f"No captions for {path}. Give at least one.")
    temporary.replace(path)
    return CaptionFile(path).content_hash


class CaptionFile:
    """A caption file, memory-mapped; `file[i]` is caption i.

    Attributes:
      content_hash: SHA-256 of the bytes, in hexadecimal; a run's config names it.
    """

    def __init__(self, path: pathlib.Path, expected_hash: str | None = None) -> None:
        """Opens and indexes the file.

        Raises:
          InputError: where it is missing, empty, cut off, or not the expected one.
        """
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise errors.InputError(
                f"The caption file {path} must exist and have captions; {error}. Build "
                "it first."
            ) from error
        if self._bytes[-1:] != b"\n":
            raise errors.InputError(
                f"The caption file {path} must end with a line break; it seems cut "
                "off. Build it again."
            )
        self.content_hash = hashlib.sha256(self._bytes).hexdigest()
        if expected_hash not in (None, self.content_hash):
            raise errors.InputError(
                f"The caption file {path} must have the hash {expected_hash}; it has "
                f"{self.content_hash}. Use the file that the run was started with."
            )
        breaks = np.flatnonzero(np.frombuffer(self._bytes, np.uint8) == ord("\n"))
        self._starts = np.concatenate([[0], breaks + 1])

    def __len__(self) -> int:
        """Returns the number of captions."""
        return len(self._starts) - 1

    def __getitem__(self, index: int) -> str:
        """Returns caption `index`, 0 to `len - 1`; IndexError beyond."""
        if not 0 <= index < len(self):
            raise IndexError(f"caption {index} of {len(self)}")
        return json.loads(self._bytes[self._starts[index] : self._starts[index + 1]])


def prompt_indices(
    seed: int, actor: int, seq: int, count: int, size: int
) -> Int[np.ndarray, " count"]:
    """Returns which captions batch `seq` of an actor uses.

    An actor goes through all `size` captions in a random order, then through all again
    in another one; actors have different orders. Nothing but the arguments matters, so
    a restarted actor goes on where it was.

    Args:
      seed: of the run.
      actor: number of the actor.
      seq: number of the batch, 0 first.
      count: prompts of a batch.
      size: captions of the file.
    """
    if size < 1:
        raise errors.InputError(f"Prompts need captions; got size={size}. Add some.")
    numbers = seq * count + np.arange(count)
    rounds, places = numbers // size, numbers % size
    orders = {int(i): _order(seed, actor, int(i), size) for i in np.unique(rounds)}
    pairs = zip(rounds.tolist(), places.tolist(), strict=True)
    return np.asarray([orders[i][place] for i, place in pairs], np.int64)


@functools.lru_cache(maxsize=8)
def _order(seed: int, actor: int, turn: int, size: int) -> Int[np.ndarray, " size"]:
    return np.random.default_rng([seed, actor, turn]).permutation(size)
