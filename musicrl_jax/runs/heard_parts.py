"""Parts of recordings as policy tokens, decoded ahead of the networks."""

import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt16

from musicrl_jax.audio import waveform
from musicrl_jax.core import arrays, errors
from musicrl_jax.runs import tokenizers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a recording.

    Attributes:
      path: of the recording.
      begin_seconds: where the part begins.
    """

    path: str
    begin_seconds: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartEncoder:
    """What turns parts of one length into tokens.

    Attributes:
      networks: codec and semantic tokenizer.
      params: of these.
      samples: length of a part, whole frames.
      batch_size: parts that the networks take at a time, by one program.
      workers: recordings decoded at the same time.
    """

    networks: tokenizers.Tokenizers
    params: arrays.Params
    samples: int
    batch_size: int
    workers: int

    def encode(
        self, parts: Sequence[Part], advance: Callable[[int], None]
    ) -> tuple[dict[Part, UInt16[np.ndarray, "f q"]], dict[Part, str]]:
        """Returns the tokens of the parts that can be read, and why others cannot.

        Args:
          parts: each once.
          advance: called with the number of parts that are done.
        """
        found: dict[Part, UInt16[np.ndarray, "f q"]] = {}
        bad: dict[Part, str] = {}
        readable = self._readable(parts, bad)
        while batch := list(itertools.islice(readable, self.batch_size)):
            missing = self.batch_size - len(batch)
            # The last part is repeated, so that one program serves all batches.
            audio = np.stack([sound for _, sound in batch + batch[-1:] * missing])
            tokens = np.asarray(_tokens(self.networks, self.params, audio))
            for (part, _), clip in zip(batch, tokens, strict=False):
                found[part] = clip.astype(np.uint16)
            advance(len(found) + len(bad))
        return found, bad

    def _readable(
        self, parts: Sequence[Part], bad: dict[Part, str]
    ) -> Iterator[tuple[Part, Float[np.ndarray, " n"]]]:
        """Yields the sound of parts in order; `bad` takes up the others."""
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            ahead: collections.deque[concurrent.futures.Future[np.ndarray]]
            ahead, waiting = collections.deque(), iter(parts)
            for part in parts:
                for other in itertools.islice(waiting, 2 * self.workers - len(ahead)):
                    ahead.append(pool.submit(self._read, other))
                try:
                    yield part, ahead.popleft().result()
                except errors.InputError as error:
                    bad[part] = str(error)

    def _read(self, part: Part) -> Float[np.ndarray, " n"]:
        rate = self.networks.codec.sample_rate_hz
        start = round(part.begin_seconds * rate)
        sound = waveform.read_part(pathlib.Path(part.path), rate, start, self.samples)
        # Rounding may make a part a few samples shorter than was said.
        if len(sound) < self.samples - rate // 100:
            raise errors.InputError(
                f"{part.path} must have {self.samples / rate:g} s from second "
                f"{part.begin_seconds:g} on; it has {len(sound) / rate:g} s. Use "
                "shorter parts."
            )
        return np.pad(sound, (0, self.samples - len(sound)))


@functools.partial(jax.jit, static_argnums=0)
def _tokens(
    networks: tokenizers.Tokenizers,
    params: arrays.Params,
    audio: Float[Array, "b n"],
) -> Int[Array, "b f q"]:
    return networks.clip_tokens(params, audio)
