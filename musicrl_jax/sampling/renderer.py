"""Tokens to waveform."""

import dataclasses
import functools

import jax
from jaxtyping import Array, Float, Int

from musicrl_jax.core import arrays, protocols
from musicrl_jax.core import layout as layouts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Renderer:
    """Decodes the acoustic tokens of clips; the other streams only guide the policy.

    Attributes:
      layout: how frames hold the streams.
      codec: hashable; its parameters come separately.
      stream: the name of the codec's stream.
    """

    layout: layouts.TokenLayout
    codec: protocols.Codec
    stream: str = "coarse"

    def __post_init__(self) -> None:
        # Raises an error that names the streams there are.
        self.layout.positions(self.stream)

    @functools.partial(jax.jit, static_argnames="self")
    def __call__(
        self, params: arrays.Params, tokens: Int[Array, "b f q"]
    ) -> Float[Array, "b n"]:
        """Returns waveforms in [-1, 1] at the codec's sample rate."""
        codes = self.layout.deinterleave(tokens)[self.stream]
        return self.codec.decode(params, codes)
