"""Tokens to waveform, with or without the codec's fine levels."""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays, errors, protocols
from musicrl_jax.core import layout as layouts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Renderer:
    """Decodes the acoustic tokens of clips.

    The other streams only guide the policy, and the fine stage where it reads them.

    Attributes:
      layout: how frames hold the streams.
      codec: hashable; its parameters come separately.
      fine: adds the codec's fine levels, likewise; None decodes the coarse ones.
      stream: the name of the codec's stream.
      guide: the name of the semantic stream.
    """

    layout: layouts.TokenLayout
    codec: protocols.Codec
    fine: protocols.FineStage | None = None
    stream: str = "coarse"
    guide: str = "semantic"

    def __post_init__(self) -> None:
        # Raises an error that names the streams there are.
        self.layout.positions(self.stream)
        levels = self._stream(self.stream).levels
        if self.fine is not None and self.fine.coarse_levels != levels:
            raise errors.InputError(
                f"The fine stage must continue the policy's {levels} coarse levels; it "
                f"was trained for {self.fine.coarse_levels}. Train one for this policy."
            )

    def __call__(
        self,
        params: arrays.Params,
        tokens: Int[Array, "b f q"],
        fine_params: arrays.Params | None = None,
    ) -> Float[Array, "b n"]:
        """Returns waveforms in [-1, 1] at the codec's sample rate.

        Args:
          params: the codec's.
          tokens: clips of the layout.
          fine_params: the fine stage's, where there is one.
        """
        return self.decode(params, self.codes(tokens, fine_params))

    @functools.partial(jax.jit, static_argnames="self")
    def codes(
        self, tokens: Int[Array, "b f q"], fine_params: arrays.Params | None = None
    ) -> Int[Array, "b steps levels"]:
        """Returns the codec's codes of clips, with the fine levels where there are."""
        streams = self.layout.deinterleave(tokens)
        codes = streams[self.stream]
        if self.fine is None or fine_params is None:
            return codes
        keys = content_keys(codes)
        return self.fine.refine(fine_params, codes, keys, self._guide(streams))

    @functools.partial(jax.jit, static_argnames="self")
    def decode(
        self, params: arrays.Params, codes: Int[Array, "b steps levels"]
    ) -> Float[Array, "b n"]:
        """Returns the waveform of codes."""
        return self.codec.decode(params, codes)

    def _guide(self, streams: dict[str, Array]) -> Int[Array, "b f"] | None:
        """Returns the semantic token of each code step, held over a frame's steps."""
        if self.guide not in streams:
            return None
        guide = streams[self.guide][..., 0]
        return jnp.repeat(guide, streams[self.stream].shape[1] // guide.shape[1], 1)

    def _stream(self, name: str) -> layouts.Stream:
        return next(stream for stream in self.layout.streams if stream.name == name)


class TimedRenderer:
    """A renderer with its parameters that keeps how long fine stage and codec took."""

    def __init__(
        self,
        renderer: Renderer,
        params: arrays.Params,
        fine_params: arrays.Params | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._renderer = renderer
        self._params = params
        self._fine_params = fine_params
        self._clock = clock
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> Mapping[str, float]:
        """Seconds of "fine", where there is one, and "decode" in the last call."""
        return dict(self._seconds)

    def __call__(self, tokens: Int[Array, "b f q"]) -> Float[Array, "b n"]:
        """Returns waveforms, ready."""
        start = self._clock()
        codes = jax.block_until_ready(self._renderer.codes(tokens, self._fine_params))
        refined = self._clock()
        waveform = jax.block_until_ready(self._renderer.decode(self._params, codes))
        self._seconds = {"decode": self._clock() - refined}
        if self._fine_params is not None:
            self._seconds["fine"] = refined - start
        return waveform


def content_keys(codes: Int[Array, "b f c"]) -> Key[Array, " b"]:
    """Returns a key for each clip that is a hash of its codes.

    So a clip sounds the same whenever, and beside whichever others, it is rendered.
    """
    flat = codes.reshape(codes.shape[0], -1).astype(jnp.uint32) + 1
    # Odd multipliers (Knuth's 2654435761 and steps from it), modulo 2^32.
    factors = jnp.arange(flat.shape[1], dtype=jnp.uint32) * jnp.uint32(2 * 40_503)
    factors = factors + jnp.uint32(2_654_435_761)
    mixed = flat * factors[None]
    mixed = mixed ^ (mixed >> 15)
    sums = mixed.sum(axis=1, dtype=jnp.uint32)
    return jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(0), seed))(sums)
