"""Token layout: which tokens make up one frame, as data.

A clip is `[f, q]`: f frames of q tokens. The paper interleaves semantic and coarse
acoustic tokens frame by frame (section 3.1); which streams, codebooks and rates that
means is a value here, and no network knows more of it than its shape.
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """One kind of token: `steps_per_frame` steps of `levels` residual levels.

    Attributes:
      name: "semantic", "coarse", ...
      codebook_size: entries of each codebook; ids run from 0 to this, exclusive.
      levels: residual levels at each step (1 for semantic tokens).
      steps_per_frame: steps of this stream in one frame of the layout.
    """

    name: str
    codebook_size: int
    levels: int = 1
    steps_per_frame: int = 1

    def __post_init__(self) -> None:
        for field in ("codebook_size", "levels", "steps_per_frame"):
            if getattr(self, field) < 1:
                raise errors.InputError(
                    f"Stream.{field} must be at least 1; got {getattr(self, field)} "
                    f"for stream {self.name!r}. Set it in the layout's gin file."
                )

    @property
    def tokens_per_frame(self) -> int:
        """Tokens that this stream adds to each frame."""
        return self.levels * self.steps_per_frame


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenLayout:
    """The ordered streams of a frame, and how many frames make a second.

    In a frame the streams follow one another; within a stream time runs first and
    levels run fastest: `semantic | step 0: level 0, 1, ... | step 1: level 0, 1, ...`.
    """

    streams: tuple[Stream, ...]
    frame_rate_hz: float = 25.0

    def __post_init__(self) -> None:
        names = [stream.name for stream in self.streams]
        if not names or len(set(names)) != len(names):
            raise errors.InputError(
                "A token layout needs one or more streams of distinct names; "
                f"got {names}."
            )

    @property
    def tokens_per_frame(self) -> int:
        """The length of axis q."""
        return sum(stream.tokens_per_frame for stream in self.streams)

    @property
    def vocabulary_size(self) -> int:
        """The length of axis v: entries of the largest codebook."""
        return max(stream.codebook_size for stream in self.streams)

    @functools.cached_property
    def codebook_sizes(self) -> tuple[int, ...]:
        """The codebook size of each of the q positions."""
        return tuple(
            stream.codebook_size
            for stream in self.streams
            for _ in range(stream.tokens_per_frame)
        )

    def num_frames(self, seconds: float) -> int:
        """Returns the frames of a clip of `seconds`, rounded to the nearest."""
        return round(seconds * self.frame_rate_hz)

    def positions(self, name: str) -> slice:
        """Returns the part of axis q that belongs to stream `name`."""
        start = 0
        for stream in self.streams:
            if stream.name == name:
                return slice(start, start + stream.tokens_per_frame)
            start += stream.tokens_per_frame
        known = ", ".join(stream.name for stream in self.streams)
        raise errors.InputError(f"No stream {name!r} in this layout; it has {known}.")

    def valid_entries(self) -> Bool[np.ndarray, "q v"]:
        """Returns which entries each position's codebook has."""
        sizes = np.asarray(self.codebook_sizes)
        return np.arange(self.vocabulary_size)[None, :] < sizes[:, None]

    def interleave(
        self, streams: Mapping[str, Int[Array, "b steps levels"]]
    ) -> Int[Array, "b f q"]:
        """Puts the streams' tokens together, frame by frame.

        Args:
          streams: for each stream name `[b, f * steps_per_frame, levels]`.

        Returns:
          The clip's tokens. `deinterleave` is the inverse.
        """
        parts = []
        for stream in self.streams:
            tokens = jnp.asarray(streams[stream.name])
            batch, steps, levels = tokens.shape
            if levels != stream.levels or steps % stream.steps_per_frame:
                raise errors.InputError(
                    f"Stream {stream.name!r} needs [b, a multiple of "
                    f"{stream.steps_per_frame}, {stream.levels}]; got {tokens.shape}."
                )
            frames = steps // stream.steps_per_frame
            parts.append(tokens.reshape(batch, frames, stream.tokens_per_frame))
        return jnp.concatenate(parts, axis=-1)

    def deinterleave(
        self, tokens: Int[Array, "b f q"]
    ) -> dict[str, Int[Array, "b steps levels"]]:
        """Splits a clip's tokens into streams: `[b, f * steps_per_frame, levels]`."""
        batch, frames, _ = tokens.shape
        return {
            stream.name: tokens[..., self.positions(stream.name)].reshape(
                batch, frames * stream.steps_per_frame, stream.levels
            )
            for stream in self.streams
        }
