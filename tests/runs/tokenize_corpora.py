"""A small corpus and networks of random weights, ready to be tokenised."""

import dataclasses

import jax
import numpy as np

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.data import manifest, text
from musicrl_jax.models.codec import adapter as codec_adapter
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.mulan import adapter as mulan_adapter
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.semantic import adapter as semantic_adapter
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.runs import tokenize_corpus

RATE = 16_000
CODEC = codec_config.CodecConfig(
    num_mels=16, width=8, encoder_depth=1, code_depth=1, frame_depth=1, levels=2,
    codebook_size=6, code_width=4,
)  # fmt: skip
SEMANTIC = semantic_config.SemanticConfig(
    fft_size=640, num_mels=8, width=8, blocks=1, kernel=3, token_block=1, clusters=5,
    target_size=4, target_width=2,
)  # fmt: skip


def write(path, name, config, abstract, extra=()):
    """Writes random weights of the right shapes."""
    keys = iter(jax.random.split(jax.random.key(0), 200))
    params = jax.tree.map(
        lambda leaf: 0.3 * jax.random.normal(next(keys), leaf.shape), abstract
    )
    fields = dataclasses.asdict(config) | dict(extra)
    weights.save_weights(path / f"{name}.safetensors", params, name, fields)


def write_corpus(folder):
    """Writes four clips, one of them short, and random networks; returns the folder."""
    rows = []
    for number, seconds in enumerate((2.0, 2.4, 1.0, 2.0)):
        generator = np.random.default_rng(number)
        sound = 0.1 * generator.standard_normal(int(seconds * RATE)).astype(np.float32)
        waveform.write_wav(folder / f"{number}.wav", sound, RATE)
        rows.append(
            manifest.ClipRow(
                path=f"{number}.wav",
                duration_seconds=seconds,
                sample_rate_hz=RATE,
                captions=tuple(f"take {number} {i}" for i in range(1 + number % 2)),
                split="train" if number else "held_out",
            )
        )
    manifest.write_manifest(folder / "manifest.jsonl", rows)
    words = text.TextTokenizer.build(
        [caption for row in rows for caption in row.captions], width=4, buckets=3
    )
    mulan = mulan_config.MulanConfig(
        vocabulary_size=words.vocabulary_size, text_words=4, text_width=8, text_heads=2,
        fft_size=640, num_mels=8, audio_widths=(8,), audio_blocks=1, min_seconds=0.5,
        embedding=6, conditioning_tokens=3, codebook_size=7,
    )  # fmt: skip
    write(folder, "codec", CODEC, codec_adapter.abstract_params(CODEC))
    tokenizer = semantic_adapter.make_semantic(SEMANTIC)
    write(folder, "semantic", SEMANTIC, tokenizer.abstract_params())
    abstract = mulan_adapter.make_mulan(mulan).abstract_params()
    write(folder, "mulan", mulan, abstract, {"tokenizer": words.to_dict()}.items())
    return folder


def config(folder, out, **fields):
    settings = {"seconds": 2.0, "window_seconds": 1.0, "windows": 3, "batch_size": 2}
    places = {"manifest": str(folder / "manifest.jsonl"), "networks": str(folder)}
    return tokenize_corpus.TokenizeCorpusConfig(
        **(places | {"out": str(out)} | settings | fields)
    )


def contents(folder):
    """Returns the files that matter: the lock holds a process number."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if not path.name.startswith(".")
    }
