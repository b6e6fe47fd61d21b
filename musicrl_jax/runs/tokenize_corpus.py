"""Turns a corpus into tokens, once, for the language model.

Required: `TokenizeCorpusConfig.manifest`, `.networks` (a folder with weights of codec,
semantic tokenizer and MuLan), `.out`.
"""

import concurrent.futures
import dataclasses
import pathlib
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Int16

from musicrl_jax.audio import waveform as waveforms
from musicrl_jax.core import arrays, errors, protocols
from musicrl_jax.data import manifest, token_cache
from musicrl_jax.runs import mulan_figures, pretrain_mulan, tokenizers

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenizeCorpusConfig:
    """A pass over the corpus with trained networks.

    Attributes:
      manifest: JSON lines file of the corpus.
      networks: folder of codec, semantic and MuLan weights.
      out: the token cache to write.
      seconds: the beginning of each clip that is kept; shorter clips are left out.
      window_seconds: length of the windows whose MuLan codes condition training.
      windows: windows of each clip, evenly spaced from its beginning to its end.
      batch_size: clips at a time.
    """

    manifest: str
    networks: str
    out: str
    seconds: float = 30.0
    window_seconds: float = 10.0
    windows: int = 5
    batch_size: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.window_seconds <= self.seconds:
            raise errors.InputError(
                "TokenizeCorpusConfig needs 0 < window_seconds <= seconds; got "
                f"{self.window_seconds} and {self.seconds}."
            )
        if min(self.windows, self.batch_size) < 1:
            raise errors.InputError(
                "TokenizeCorpusConfig.windows and .batch_size must be at least 1; got "
                f"{self.windows} and {self.batch_size}."
            )


def run(config: TokenizeCorpusConfig, progress: Progress | None = None) -> pathlib.Path:
    """Tokenises every clip of the manifest that is long enough; returns the cache.

    Raises:
      InputError: for a corpus or networks that cannot be read or do not fit together.
    """
    folder = pathlib.Path(config.networks)
    rows = _rows(config)
    sound, params = tokenizers.load(folder)
    window = sound.layout.num_frames(config.window_seconds)
    last = sound.layout.num_frames(config.seconds) - window
    starts = np.linspace(0, last, config.windows).round().astype(np.int32)
    encode = _encoder(config, sound, starts)
    parts = []
    for audio in _waveforms(config, rows, sound.codec):
        parts.append(jax.device_get(encode(params, audio)))
        if progress is not None:
            progress(min(len(parts) * config.batch_size, len(rows)), len(rows))
    tokens, codes = (
        np.concatenate(part)[: len(rows)].astype(np.int16)
        for part in zip(*parts, strict=True)
    )
    text_codes, text_starts = _tokenize_captions(folder, rows)
    cache = token_cache.TokenCache(
        rows=rows,
        tokens=tokens,
        audio_codes=codes,
        audio_starts=starts,
        window_frames=window,
        text_codes=text_codes,
        text_starts=text_starts,
    )
    out = pathlib.Path(config.out)
    token_cache.save(out, cache)
    return out


def _rows(config: TokenizeCorpusConfig) -> tuple[manifest.ClipRow, ...]:
    corpus = manifest.read_manifest(pathlib.Path(config.manifest)).rows
    rows = tuple(row for row in corpus if row.duration_seconds >= config.seconds)
    if not rows:
        raise errors.InputError(
            f"{config.manifest} has no clip of {config.seconds} s or more. Set "
            "TokenizeCorpusConfig.seconds lower."
        )
    return rows


def _encoder(
    config: TokenizeCorpusConfig,
    sound: tokenizers.Tokenizers,
    starts: Int[np.ndarray, " a"],
) -> Callable[
    [arrays.Params, Float[np.ndarray, "b n"]],
    tuple[Int[Array, "b f q"], Int[Array, "b a k"]],
]:
    """Returns the compiled pass over a batch of clips."""
    hop = sound.codec.samples_per_frame
    first = tuple(int(start) * hop for start in starts)
    samples = round(config.window_seconds * sound.codec.sample_rate_hz)

    @jax.jit
    def encode(
        params: arrays.Params, audio: Float[Array, "b n"]
    ) -> tuple[Int[Array, "b f q"], Int[Array, "b a k"]]:
        codes = sound.window_codes(params, audio, first, samples)
        return sound.clip_tokens(params, audio), codes

    return encode


def _waveforms(
    config: TokenizeCorpusConfig,
    rows: tuple[manifest.ClipRow, ...],
    codec: protocols.Codec,
) -> Iterator[Float[np.ndarray, "b n"]]:
    """Yields the clips in order, cut to equal length; the last batch repeats a clip."""
    frames = int(config.seconds * codec.sample_rate_hz) // codec.samples_per_frame
    samples = frames * codec.samples_per_frame

    def read(row: manifest.ClipRow) -> Float[np.ndarray, " n"]:
        path = pathlib.Path(row.path)
        audio = waveforms.read_audio(path, codec.sample_rate_hz)[:samples]
        # Resampling may round a clip one sample short.
        return np.pad(audio, (0, samples - len(audio)))

    missing = -len(rows) % config.batch_size
    padded = rows + rows[-1:] * missing
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for i in range(0, len(padded), config.batch_size):
            yield np.stack(list(pool.map(read, padded[i : i + config.batch_size])))


def _tokenize_captions(
    folder: pathlib.Path, rows: tuple[manifest.ClipRow, ...]
) -> tuple[Int16[np.ndarray, "r k"], Int[np.ndarray, " c1"]]:
    """Returns the codes of all captions, and where each clip's begin."""
    mulan, params, words = pretrain_mulan.load(folder / "mulan.safetensors")
    counts = [len(row.captions) for row in rows]
    starts = np.cumsum([0, *counts]).astype(np.int32)
    if not starts[-1]:
        return np.zeros((0, mulan.config.conditioning_tokens), np.int16), starts
    text = words.encode([caption for row in rows for caption in row.captions])
    embedded = mulan_figures.embed_captions(mulan, params, text)
    return np.asarray(jax.jit(mulan.quantize)(params, embedded), np.int16), starts
