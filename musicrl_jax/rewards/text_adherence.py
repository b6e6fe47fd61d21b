"""The MuLan score: how well a clip fits its caption (paper, section 3.1).

The paper's MuLan hears 10 s at a time, so a clip of 30 s is cut into three, each is
compared with the caption, and the three cosines are averaged. Shorter clips are cut
into thirds as well.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from musicrl_jax.audio import windows
from musicrl_jax.core import arrays, dealing, errors, protocols
from musicrl_jax.rewards import batches


@runtime_checkable
class TextEncoder(Protocol):
    """Turns captions into token ids (`data.text.TextTokenizer` is one)."""

    def encode(self, texts: Sequence[str]) -> Int[np.ndarray, "b w"]:
        """Returns ids, padded with 0 to a fixed width."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextAdherenceConfig:
    """How clips are scored.

    Attributes:
      clips_per_call: clips in one call of the network; smaller batches are padded to
        it, so that one program is compiled for each clip length.
      cached_captions: captions whose embeddings are kept.
    """

    clips_per_call: int = 16
    cached_captions: int = 65_536

    def __post_init__(self) -> None:
        for field in ("clips_per_call", "cached_captions"):
            if getattr(self, field) < 1:
                raise errors.InputError(
                    f"TextAdherenceConfig.{field} must be at least 1; got "
                    f"{getattr(self, field)}. Set a positive number."
                )


class TextAdherenceReward:
    """Cosine of caption and clip in the joint embedding, averaged over thirds.

    The score lies in [-1, 1] and is not rescaled (paper, section 3.1).
    """

    def __init__(
        self,
        *,
        embedder: protocols.JointEmbedder,
        params: arrays.Params,
        tokenizer: TextEncoder,
        config: TextAdherenceConfig | None = None,
    ) -> None:
        self._embedder = embedder
        self._params = params
        self._tokenizer = tokenizer
        self._config = config or TextAdherenceConfig()
        self._text: dict[str, Float[np.ndarray, " e"]] = {}

    def __call__(
        self,
        captions: Sequence[str],
        waveform: Float[np.ndarray, "b n"],
        tokens: Int[np.ndarray, "b f q"] | None = None,
    ) -> Mapping[str, Float[np.ndarray, " b"]]:
        """Returns each clip's score under "total".

        Args:
          captions: one for each clip.
          waveform: clips in [-1, 1] at the embedder's sample rate.
          tokens: not read.

        Raises:
          InputError: where the numbers of captions and clips differ.
        """
        batches.check_captions(captions, waveform)
        del tokens
        if not captions:
            return {"total": np.zeros(0, np.float32)}
        one = functools.partial(score, self._embedder)
        heard = self.text_embeddings(captions), np.asarray(waveform, np.float32)
        size = self._config.clips_per_call
        return {"total": batches.scored(one, self._params, size, *heard)}

    def text_embeddings(self, captions: Sequence[str]) -> Float[np.ndarray, "b e"]:
        """Returns unit vectors of captions; each distinct one is embedded once."""
        distinct = dict.fromkeys(captions)
        known = {text: self._text[text] for text in distinct if text in self._text}
        fresh = self._embed([text for text in distinct if text not in known])
        self._text |= fresh
        for text in list(self._text)[: -self._config.cached_captions]:
            del self._text[text]
        known |= fresh
        return np.stack([known[text] for text in captions])

    def clip_embeddings(
        self, waveform: Float[np.ndarray, "b n"]
    ) -> Float[np.ndarray, "b e"]:
        """Returns the mean of the unit vectors of each clip's thirds.

        Its product with a caption's vector is the score of the two.
        """
        size = self._config.clips_per_call
        parts = []
        for start in range(0, len(waveform), size):
            some = np.asarray(waveform[start : start + size], np.float32)
            padded = dealing.beside(self._params, batches.pad_rows(some, size))
            embedded = _embed_clips(self._embedder, self._params, padded)
            parts.append(np.asarray(embedded)[: len(some)])
        return np.concatenate(parts)

    def _embed(self, captions: Sequence[str]) -> dict[str, Float[np.ndarray, " e"]]:
        size = self._config.clips_per_call
        vectors: dict[str, Float[np.ndarray, " e"]] = {}
        for start in range(0, len(captions), size):
            some = captions[start : start + size]
            ids = batches.pad_rows(np.asarray(self._tokenizer.encode(some)), size)
            embedded = np.asarray(_embed_text(self._embedder, self._params, ids))
            vectors |= dict(zip(some, embedded[: len(some)], strict=True))
        return vectors


@functools.partial(jax.jit, static_argnums=0)
def _embed_text(
    embedder: protocols.JointEmbedder, params: arrays.Params, ids: Int[Array, "b w"]
) -> Float[Array, "b e"]:
    return embedder.embed_text(params, ids)


@functools.partial(jax.jit, static_argnums=0)
def score(
    embedder: protocols.JointEmbedder,
    params: arrays.Params,
    text: Float[Array, "b e"],
    waveform: Float[Array, "b n"],
) -> Float[Array, " b"]:
    """Returns the cosine of text and audio, averaged over the clip's thirds."""
    audio = _embed_clips(embedder, params, waveform)
    return jnp.einsum("be,be->b", audio, text).astype(jnp.float32)


@functools.partial(jax.jit, static_argnums=0)
def _embed_clips(
    embedder: protocols.JointEmbedder,
    params: arrays.Params,
    waveform: Float[Array, "b n"],
) -> Float[Array, "b e"]:
    """Returns the mean of the unit vectors of each clip's thirds."""
    clips = jnp.stack([waveform[:, part] for part in windows.thirds(waveform.shape[1])])
    flat = clips.reshape(-1, clips.shape[-1])
    audio = embedder.embed_audio(params, flat)
    return audio.reshape(len(clips), len(waveform), -1).mean(axis=0)
