"""What MuLan can do on held-out clips: retrieval both ways, codes, use of codebooks."""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.core import arrays
from musicrl_jax.data import text
from musicrl_jax.models.mulan import adapter, losses
from musicrl_jax.nn import clustering, normalization

_CHUNK = 64


def windows(
    mels: Sequence[Float[np.ndarray, "_ m"]], frames: int
) -> Float[np.ndarray, "c w f m"]:
    """Cuts each clip in as many whole windows as the shortest clip has."""
    count = min(mel.shape[0] for mel in mels) // frames
    cut = [mel[: count * frames].reshape(count, frames, -1) for mel in mels]
    return np.stack(cut)


def embed_windows(
    mulan: adapter.Mulan, params: arrays.Params, clips: Float[np.ndarray, "c w f m"]
) -> Float[np.ndarray, "c w e"]:
    """Returns the unit vectors of windows, a chunk at a time."""
    embed = jax.jit(mulan.embed_mel)
    rows = clips.reshape(-1, *clips.shape[2:])
    parts = [
        np.asarray(embed(params, rows[i : i + _CHUNK].astype(np.float32)))
        for i in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate(parts).reshape(*clips.shape[:2], -1)


def embed_captions(
    mulan: adapter.Mulan, params: arrays.Params, words: Int[np.ndarray, "n w"]
) -> Float[np.ndarray, "n e"]:
    """Returns the unit vectors of captions, a chunk at a time."""
    embed = jax.jit(mulan.embed_text)
    parts = [
        np.asarray(embed(params, words[i : i + _CHUNK]))
        for i in range(0, len(words), _CHUNK)
    ]
    return np.concatenate(parts)


def measure(
    mulan: adapter.Mulan,
    params: arrays.Params,
    clips: Float[np.ndarray, "c w f m"],
    texts: Sequence[Int[np.ndarray, "_ words"]],
    pairs: int,
) -> dict[str, float | int]:
    """Returns recall and the agreement of codes over held-out pairs.

    Args:
      mulan: the embedder.
      params: its parameters.
      clips: log-mel windows of held-out clips.
      texts: the word ids of each clip's captions. The first one that no clip before
        has is the clip's partner; clips without one are left out.
      pairs: at most so many pairs.
    """
    chosen, partners = _distinct(texts, pairs)
    audio = embed_windows(mulan, params, clips[chosen])
    words = jnp.asarray(embed_captions(mulan, params, partners))
    figures: dict[str, float | int] = {"pairs": len(chosen), "windows": audio.shape[1]}
    views = {"window": jnp.asarray(audio[:, 0])}
    views["clip"] = normalization.unit(jnp.mean(jnp.asarray(audio), axis=1))
    for name, sound in views.items():
        figures |= _recalls(name, sound, words)
    codes = functools.partial(mulan.quantize, params)
    heard, read = codes(views["window"]), codes(words)
    restored = [clustering.residual_sum(c, params["codebooks"]) for c in (heard, read)]
    figures |= _recalls("codes", *map(normalization.unit, restored))
    figures["codes/same_first_token"] = float(jnp.mean(heard[:, 0] == read[:, 0]))
    errors = jnp.sum(jnp.square(restored[0] - views["window"]), axis=-1)
    figures["codes/audio_squared_error"] = float(jnp.mean(errors))
    everything = np.asarray(codes(jnp.asarray(audio.reshape(-1, audio.shape[-1]))))
    for level in (0, mulan.config.conditioning_tokens - 1):
        used = len(np.unique(everything[:, level])) / mulan.config.codebook_size
        figures[f"codes/used_share/level_{level}"] = used
    return figures


def named_attributes(
    mulan: adapter.Mulan,
    params: arrays.Params,
    tokenizer: text.TextTokenizer,
    clips: Float[np.ndarray, "c w f m"],
    labels: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """Returns how often a clip is nearest to the bare name of what it is.

    Args:
      mulan: the embedder.
      params: its parameters.
      tokenizer: of the names.
      clips: log-mel windows of held-out clips.
      labels: for each attribute the value of each clip, such as its genre.

    Returns:
      The accuracy of first windows and of means over windows, for each attribute.
    """
    audio = embed_windows(mulan, params, clips)
    figures = {}
    for attribute, values in labels.items():
        names = sorted(set(values))
        words = embed_captions(mulan, params, tokenizer.encode(names))
        own = np.asarray([names.index(value) for value in values])
        for view, vectors in (("window", audio[:, 0]), ("clip", audio.mean(axis=1))):
            right = np.mean(np.argmax(vectors @ words.T, axis=1) == own)
            figures[f"{view}/{attribute}_of_{len(names)}"] = float(right)
    return figures


def _recalls(
    name: str, audio: Float[jax.Array, "b e"], words: Float[jax.Array, "b e"]
) -> dict[str, float]:
    figures = {}
    for count in (1, 10):
        found = losses.recall_at(audio, words, count)
        figures[f"{name}/audio_to_text/recall_{count}"] = float(found)
        found = losses.recall_at(words, audio, count)
        figures[f"{name}/text_to_audio/recall_{count}"] = float(found)
    own = jnp.sum(audio * words, axis=-1)
    figures[f"{name}/cosine_of_pairs"] = float(jnp.mean(own))
    return figures | {f"{name}/cosine_of_others": float(jnp.mean(audio @ words.T))}


def _distinct(
    texts: Sequence[Int[np.ndarray, "_ words"]], pairs: int
) -> tuple[Int[np.ndarray, " b"], Int[np.ndarray, "b w"]]:
    """Returns clips with one caption each, no caption twice."""
    seen: set[bytes] = set()
    clips, partners = [], []
    for clip, captions in enumerate(texts):
        fresh = [row for row in captions if row.tobytes() not in seen]
        if fresh and len(clips) < pairs:
            clips.append(clip)
            partners.append(fresh[0])
            seen.update(row.tobytes() for row in captions)
    return np.asarray(clips), np.stack(partners)
