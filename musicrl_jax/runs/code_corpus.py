"""Encodes a corpus once, for networks that learn from a codec's codes."""

import concurrent.futures
import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Int16

from musicrl_jax.audio import waveform as waveforms
from musicrl_jax.core import arrays, errors, protocols
from musicrl_jax.data import code_cache, manifest
from musicrl_jax.runs import codecs, pretrain_semantic

_CLIPS_PER_CALL = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encoder:
    """The codec, and the semantic tokenizer where its tokens are wanted too.

    Attributes:
      codec: waveform to codes.
      codec_params: its parameters.
      semantic: waveform to semantic tokens, as many a second; or None.
      semantic_params: its parameters.
      clusters: semantic tokens that there are; 0 without a tokenizer.
      digest: of the weights that were read.
    """

    codec: codecs.AnyCodec
    codec_params: arrays.Params
    semantic: protocols.SemanticTokenizer | None
    semantic_params: arrays.Params
    clusters: int
    digest: str

    def columns(
        self, audio: Float[np.ndarray, "b n"]
    ) -> Int16[np.ndarray, "b s columns"]:
        """Returns the codes of clips, and their semantic tokens behind them."""
        both = {"codec": self.codec_params, "semantic": self.semantic_params}
        encoded = _encode(self.codec, self.semantic, both, jnp.asarray(audio))
        return np.asarray(encoded, np.int16)

    def read(self, row: manifest.ClipRow, frames: int) -> Float[np.ndarray, " n"]:
        """Reads the first `frames` code steps of a clip."""
        samples = frames * self.codec.samples_per_frame
        audio = waveforms.read_audio(pathlib.Path(row.path), self.codec.sample_rate_hz)
        # Resampling may round a clip one sample short.
        return np.pad(audio[:samples], (0, max(0, samples - len(audio))))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _encode(
    codec: protocols.Codec,
    semantic: protocols.SemanticTokenizer | None,
    params: arrays.Params,
    audio: Float[Array, "b n"],
) -> Int[Array, "b s columns"]:
    codes = codec.encode(params["codec"], audio)
    if semantic is None:
        return codes
    tokens = semantic.tokenize(params["semantic"], audio)
    return jnp.concatenate([codes, tokens[..., None]], axis=-1)


def load(networks: pathlib.Path, *, with_semantic: bool) -> Encoder:
    """Reads `codec.safetensors` and, if wanted, `semantic.safetensors`.

    Raises:
      InputError: where a file is missing or damaged, or both have different frames.
    """
    path = networks / "codec.safetensors"
    codec, codec_params = codecs.load(path)
    digest = hashlib.sha256(path.read_bytes())
    semantic, semantic_params, clusters = None, {}, 0
    if with_semantic:
        path = networks / "semantic.safetensors"
        semantic, semantic_params = pretrain_semantic.load(path)
        clusters = semantic.config.clusters
        digest.update(path.read_bytes())
        if semantic.config.hop != codec.samples_per_frame:
            raise errors.InputError(
                f"{networks} needs codec and semantic tokens at one rate; they have "
                f"{codec.samples_per_frame} and {semantic.config.hop} samples a frame. "
                "Train one of them again, or set SoundStormConfig.semantic_size to 0."
            )
    return Encoder(
        codec=codec,
        codec_params=codec_params,
        semantic=semantic,
        semantic_params=semantic_params,
        clusters=clusters,
        digest=digest.hexdigest(),
    )


def build(
    encoder: Encoder, corpus: pathlib.Path, folder: pathlib.Path, seconds: float
) -> code_cache.CodeCache:
    """Encodes the first `seconds` of every clip that is long enough.

    Raises:
      InputError: for a corpus without such a clip, or see `code_cache.build`.
    """
    codec = encoder.codec
    frames = int(seconds * codec.sample_rate_hz) // codec.samples_per_frame
    rows = [
        row
        for row in manifest.read_manifest(corpus).rows
        if row.duration_seconds >= seconds
    ]
    if not rows or not frames:
        raise errors.InputError(
            f"{corpus} has no clip of {seconds} s or more. Set the run's seconds lower."
        )
    made_by = {
        "networks": encoder.digest,
        "levels": codec.config.levels,
        "frames": frames,
    }
    encode = functools.partial(_encode_rows, encoder, frames)
    return code_cache.build(folder, rows, made_by, encode)


def _encode_rows(
    encoder: Encoder, frames: int, rows: Sequence[manifest.ClipRow]
) -> Int16[np.ndarray, "c s columns"]:
    """Encodes a few clips at a time, always as many; the last ones are repeated."""
    padded = list(rows) + [rows[-1]] * (-len(rows) % _CLIPS_PER_CALL)
    out = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for start in range(0, len(padded), _CLIPS_PER_CALL):
            part = padded[start : start + _CLIPS_PER_CALL]
            audio = pool.map(lambda row: encoder.read(row, frames), part)
            out.append(encoder.columns(np.stack(list(audio))))
    return np.concatenate(out)[: len(rows)]
