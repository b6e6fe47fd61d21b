"""The interfaces between the parts; concrete networks are named in `runs` only.

All are frozen descriptions without parameters: parameters are trees that come in as
arguments, so policy, reference, value and actor copies share one object.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, layout

Choose = Callable[
    [Float[Array, "b v"], Int[Array, ""]],
    tuple[Int[Array, " b"], Float[Array, " b"]],
]
"""(logits of one position, position in 0..q-1) -> (tokens, their log-probabilities)."""


@runtime_checkable
class Policy(Protocol):
    """A distribution over clips, token by token, with its codebooks' layout."""

    @property
    def layout(self) -> layout.TokenLayout:
        """The token layout of the clips."""
        ...

    def frame_states(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
    ) -> Float[Array, "b f d"]:
        """Returns for each frame a state of the frames before it (teacher forcing)."""
        ...

    def token_logits(
        self,
        params: arrays.Params,
        states: Float[Array, "b f d"],
        tokens: Int[Array, "b f q"],
    ) -> Float[Array, "b f q v"]:
        """Returns float32 logits at temperature 1.

        Logits of position q see the frame's state and its tokens before q. Entries
        that a position's codebook lacks are -1e30, whose probability is exactly 0.
        Frames do not see one another here, so callers may cut axis f in chunks.
        """
        ...

    def init_cache(
        self,
        params: arrays.Params,
        conditioning: Int[Array, "b k"],
        num_frames: int,
    ) -> arrays.Tree:
        """Runs the conditioning (prefill); returns a cache for `num_frames` frames."""
        ...

    def step(
        self,
        params: arrays.Params,
        cache: arrays.Tree,
        previous: Int[Array, "b q"],
        choose: Choose,
    ) -> tuple[arrays.Tree, Int[Array, "b q"], Float[Array, "b q"]]:
        """Draws the next frame: new cache, its tokens, their log-probabilities.

        `previous` is the frame before and is ignored for the first one.
        """
        ...


@runtime_checkable
class ValueFunction(Protocol):
    """The baseline: V of the state before each token."""

    def values(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        conditioning: Int[Array, "b k"],
    ) -> Float[Array, "b f q"]:
        """Returns V(s_t); the entry of token t does not depend on token t or later."""
        ...


@runtime_checkable
class Codec(Protocol):
    """Waveform to residual codes and back (mono, in [-1, 1])."""

    @property
    def sample_rate_hz(self) -> int:
        """Samples in a second."""
        ...

    @property
    def samples_per_frame(self) -> int:
        """Samples that one step of codes stands for."""
        ...

    def encode(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Int[Array, "b f l"]:
        """Returns codes; n must be a multiple of `samples_per_frame`."""
        ...

    def decode(
        self, params: arrays.Params, codes: Int[Array, "b f l"]
    ) -> Float[Array, "b n"]:
        """Returns the waveform of codes with any number of levels l, low to high."""
        ...


@runtime_checkable
class FineStage(Protocol):
    """A codec's coarse levels to all its levels."""

    @property
    def coarse_levels(self) -> int:
        """Levels that `refine` is given, the lowest."""
        ...

    @property
    def levels(self) -> int:
        """Levels that `refine` returns."""
        ...

    def refine(
        self,
        params: arrays.Params,
        coarse: Int[Array, "b f c"],
        keys: Key[Array, " b"],
        semantic: Int[Array, "b f"] | None = None,
    ) -> Int[Array, "b f l"]:
        """Returns the codes of all levels; the given ones stay as they are.

        A clip depends on its codes and its key, not on its batch. Stages that do not
        read semantic tokens ignore them.
        """
        ...


@runtime_checkable
class SemanticTokenizer(Protocol):
    """Waveform to one semantic token a frame."""

    def tokenize(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Int[Array, "b f"]:
        """Returns the k-means cluster of each frame."""
        ...


@runtime_checkable
class JointEmbedder(Protocol):
    """MuLan: text and audio in one space of unit vectors, and its residual codes."""

    def embed_audio(
        self, params: arrays.Params, waveform: Float[Array, "b n"]
    ) -> Float[Array, "b e"]:
        """Returns unit vectors of clips as long as the window it was trained on."""
        ...

    def embed_text(
        self, params: arrays.Params, text: Int[Array, "b w"]
    ) -> Float[Array, "b e"]:
        """Returns unit vectors of captions, tokenised and padded with 0."""
        ...

    def quantize(
        self, params: arrays.Params, embedding: Float[Array, "b e"]
    ) -> Int[Array, "b k"]:
        """Returns the conditioning tokens of an embedding, text's or audio's."""
        ...


@runtime_checkable
class Reward(Protocol):
    """Scores clips. A user's own reward is one class with this one method."""

    def __call__(
        self,
        captions: Sequence[str],
        waveform: Float[np.ndarray, "b n"],
        tokens: Int[np.ndarray, "b f q"],
    ) -> Mapping[str, Float[np.ndarray, " b"]]:
        """Returns named float32 scores; "total" is what the policy is trained on."""
        ...


@runtime_checkable
class MetricWriter(Protocol):
    """Takes numbers under path names such as `reward/total`."""

    def write(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Records `scalars` of `step`."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Samples:
    """What a network sounds like at some step of its training.

    Attributes:
      waveforms: mono, in [-1, 1], by path names such as `clip_0/reconstruction`.
      sample_rate_hz: of all of them.
    """

    waveforms: Mapping[str, Float[np.ndarray, " _"]]
    sample_rate_hz: int


@runtime_checkable
class SampleWriter(Protocol):
    """Takes sounds, beside or in place of numbers."""

    def write_samples(self, step: int, samples: Samples) -> None:
        """Records `samples` of `step`."""
        ...
