"""Clips sent through a codec, plainly or with the faults of sampled tokens."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.audio import waveform
from musicrl_jax.core import arrays, protocols
from musicrl_jax.data import manifest
from musicrl_jax.runs import codecs

_CLIPS_PER_CALL = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconstructor:
    """A codec with its parameters.

    Attributes:
      codebook_size: entries of each level, for random ones.
    """

    codec: protocols.Codec
    params: arrays.Params
    codebook_size: int

    def __call__(
        self,
        clips: Float[np.ndarray, "b n"],
        generator: np.random.Generator | None = None,
    ) -> Float[np.ndarray, "b whole"]:
        """Returns what the codec makes of clips; see `disturbed` for the generator."""
        codes = self.encode(clips)
        if generator is not None:
            codes = disturbed(codes, self.codebook_size, generator)
        return self.decode(codes)

    def encode(self, clips: Float[np.ndarray, "b n"]) -> Int[np.ndarray, "b f l"]:
        """Returns codes; what is left beyond whole frames is cut off."""
        frame = self.codec.samples_per_frame
        whole = clips[:, : clips.shape[1] // frame * frame]
        return _in_parts(lambda part: self.codec.encode(self.params, part), whole)

    def decode(self, codes: Int[np.ndarray, "b f l"]) -> Float[np.ndarray, "b n"]:
        """Returns the waveforms of codes."""
        return _in_parts(lambda part: self.codec.decode(self.params, part), codes)


def load(path: pathlib.Path) -> Reconstructor:
    """Returns the codec of a weights file.

    Raises:
      InputError: where the file is damaged or of another network.
    """
    codec, params = codecs.load(path)
    return Reconstructor(
        codec=codec, params=params, codebook_size=codec.config.codebook_size
    )


def disturbed(
    codes: Int[np.ndarray, "b f l"],
    codebook_size: int,
    generator: np.random.Generator,
    largest_share: float = 0.25,
) -> Int[np.ndarray, "b f l"]:
    """Returns codes with random entries at random places, as a weak sampler makes them.

    Each clip draws its own share of wrong entries, up to `largest_share`; the first
    level, which carries most of the music, gets a quarter of it.
    """
    clips, _, levels = codes.shape
    share = generator.uniform(0, largest_share, (clips, 1, 1))
    by_level = np.where(np.arange(levels) == 0, 0.25, 1.0)[None, None, :]
    wrong = generator.random(codes.shape) < share * by_level
    return np.where(wrong, generator.integers(codebook_size, size=codes.shape), codes)


def windows(
    rows: Sequence[manifest.ClipRow],
    sample_rate_hz: int,
    seconds: float,
    generator: np.random.Generator,
) -> Float[np.ndarray, "b n"]:
    """Reads one window of `seconds`, at a random place, of each clip."""
    samples = round(seconds * sample_rate_hz)
    out = np.zeros((len(rows), samples), np.float32)
    for index, row in enumerate(rows):
        clip = waveform.read_audio(pathlib.Path(row.path), sample_rate_hz)
        start = generator.integers(max(0, len(clip) - samples), endpoint=True)
        part = clip[start : start + samples]
        out[index, : len(part)] = part
    return out


def _in_parts(function: Callable[[Array], Array], rows: np.ndarray) -> np.ndarray:
    """Applies a compiled function to a few rows at a time, always as many."""
    out = []
    for start in range(0, len(rows), _CLIPS_PER_CALL):
        part = rows[start : start + _CLIPS_PER_CALL]
        missing = [(0, _CLIPS_PER_CALL - len(part))] + [(0, 0)] * (rows.ndim - 1)
        out.append(
            np.asarray(function(jnp.asarray(np.pad(part, missing))))[: len(part)]
        )
    return np.concatenate(out)
