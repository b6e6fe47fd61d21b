"""The clips of a manifest as records of tokens, decoded ahead of the networks."""

import collections
import concurrent.futures
import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, token_records
from musicrl_jax.data.readers import items
from musicrl_jax.runs import clip_encoder


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardEncoding:
    """What turns a range of rows into records.

    Attributes:
      encoder: the networks.
      rows: the corpus.
      folder: that records give paths from; others stay as they are.
      batch_size: clips that the networks take at a time.
      workers: clips decoded at the same time.
    """

    encoder: clip_encoder.ClipEncoder
    rows: Sequence[manifest.ClipRow]
    folder: pathlib.Path
    batch_size: int
    workers: int

    def clips(
        self,
        places: range,
        problems: list[items.Problem],
        advance: Callable[[int], None],
    ) -> Iterator[token_records.TokenClip]:
        """Yields the readable clips of some rows in order.

        Args:
          places: numbers of the rows.
          problems: takes up the clips that could not be read.
          advance: called with the number of the row after each batch.
        """
        readable = self._readable(places, problems)
        while batch := list(itertools.islice(readable, self.batch_size)):
            yield from self._encoded(batch)
            advance(batch[-1][0] + 1)

    def _encoded(
        self, batch: list[tuple[int, Float[np.ndarray, " n"]]]
    ) -> Iterator[token_records.TokenClip]:
        rows = [self.rows[place] for place, _ in batch]
        missing = self.batch_size - len(batch)
        # The last clip is repeated, so that one program serves all batches.
        audio = np.stack([sound for _, sound in batch + batch[-1:] * missing])
        tokens, codes = self.encoder.hear(audio)
        texts = self.encoder.read([text for row in rows for text in row.captions])
        start = 0
        for number, row in enumerate(rows):
            end = start + len(row.captions)
            yield token_records.TokenClip(
                row=relative(row, self.folder),
                tokens=tokens[number],
                audio_codes=codes[number],
                text_codes=texts[start:end],
            )
            start = end

    def _readable(
        self, places: range, problems: list[items.Problem]
    ) -> Iterator[tuple[int, Float[np.ndarray, " n"]]]:
        """Yields row number and sound of the clips that can be read, in order."""
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            ahead: collections.deque[concurrent.futures.Future[np.ndarray]]
            ahead = collections.deque()
            waiting = iter(places)
            for place in places:
                wanted = 2 * self.workers - len(ahead)
                for other in itertools.islice(waiting, wanted):
                    ahead.append(pool.submit(self._read, self.rows[other].path))
                try:
                    yield place, ahead.popleft().result()
                except errors.InputError as error:
                    path = self.rows[place].path
                    problems.append(
                        items.Problem(row=place + 1, name=path, reason=str(error))
                    )

    def _read(self, path: str) -> Float[np.ndarray, " n"]:
        """Returns the beginning of a clip, as long as the encoder wants it."""
        rate, length = self.encoder.sample_rate_hz, self.encoder.samples
        sound = waveform.read_part(pathlib.Path(path), rate, 0, length)
        # Rounding may make a manifest's duration a few samples longer than the file.
        if len(sound) < length - rate // 100:
            raise errors.InputError(
                f"{path} must last {length / rate:g} s, as its manifest says; it lasts "
                f"{len(sound) / rate:g} s. Write the manifest again."
            )
        return np.pad(sound, (0, length - len(sound)))


def relative(row: manifest.ClipRow, folder: pathlib.Path) -> manifest.ClipRow:
    """Returns a row whose path starts at `folder`, if the file lies below it."""
    path = pathlib.Path(row.path)
    if not path.is_relative_to(folder):
        return row
    return dataclasses.replace(row, path=str(path.relative_to(folder)))
