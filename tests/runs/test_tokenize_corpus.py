"""A corpus as tokens: the same as clip by clip, from networks on disk."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, text, token_cache
from musicrl_jax.models.codec import adapter as codec_adapter
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.mulan import adapter as mulan_adapter
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.semantic import adapter as semantic_adapter
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.models.soundstream import adapter as soundstream_adapter
from musicrl_jax.models.soundstream import config as soundstream_config
from musicrl_jax.runs import tokenize_corpus, tokenizers

RATE = 16_000
CODEC = codec_config.CodecConfig(
    num_mels=16, width=8, encoder_depth=1, code_depth=1, frame_depth=1, levels=2,
    codebook_size=6, code_width=4,
)  # fmt: skip
SEMANTIC = semantic_config.SemanticConfig(
    fft_size=640, num_mels=8, width=8, blocks=1, kernel=3, token_block=1, clusters=5,
    target_size=4, target_width=2,
)  # fmt: skip


def _write(path, name, config, abstract, extra=()):
    """Writes random weights of the right shapes."""
    keys = iter(jax.random.split(jax.random.key(0), 200))
    params = jax.tree.map(
        lambda leaf: 0.3 * jax.random.normal(next(keys), leaf.shape), abstract
    )
    fields = dataclasses.asdict(config) | dict(extra)
    weights.save_weights(path / f"{name}.safetensors", params, name, fields)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
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
    _write(folder, "codec", CODEC, codec_adapter.abstract_params(CODEC))
    tokenizer = semantic_adapter.make_semantic(SEMANTIC)
    _write(folder, "semantic", SEMANTIC, tokenizer.abstract_params())
    abstract = mulan_adapter.make_mulan(mulan).abstract_params()
    _write(folder, "mulan", mulan, abstract, {"tokenizer": words.to_dict()}.items())
    return folder


def _config(folder, **fields):
    settings = {"seconds": 2.0, "window_seconds": 1.0, "windows": 3, "batch_size": 2}
    return tokenize_corpus.TokenizeCorpusConfig(
        manifest=str(folder / "manifest.jsonl"),
        networks=str(folder),
        out=str(folder / "tokens.npz"),
        **(settings | fields),
    )


def test_the_cache_is_what_each_clip_gives_alone(corpus):
    seen = []
    path = tokenize_corpus.run(_config(corpus), lambda *done: seen.append(done))
    cache = token_cache.load(path)
    assert seen == [(2, 3), (3, 3)]
    assert [row.path.rsplit("/", 1)[-1] for row in cache.rows] == [
        "0.wav",
        "1.wav",
        "3.wav",
    ]
    assert cache.tokens.shape == (3, 50, 3)
    assert cache.audio_starts.tolist() == [0, 12, 25]
    assert cache.window_frames == 25
    assert cache.text_starts.tolist() == [0, 1, 3, 5]
    sound, params = tokenizers.load(corpus)
    assert sound.layout.codebook_sizes == (5, 6, 6)
    audio = jnp.asarray(waveform.read_audio(corpus / "1.wav", RATE))[None, : 2 * RATE]
    tokens = jax.jit(sound.clip_tokens)(params, audio)
    np.testing.assert_array_equal(cache.tokens[1], tokens[0])
    window = audio[:, 12 * 640 : 12 * 640 + RATE]
    embedded = jax.jit(sound.mulan.embed_audio)(params["mulan"], window)
    codes = sound.mulan.quantize(params["mulan"], embedded)
    np.testing.assert_array_equal(cache.audio_codes[1, 1], codes[0])


def test_a_corpus_without_captions_has_tokens_and_no_text_codes(corpus, tmp_path):
    rows = manifest.read_manifest(corpus / "manifest.jsonl").rows
    bare = [dataclasses.replace(row, captions=()) for row in rows]
    manifest.write_manifest(tmp_path / "bare.jsonl", bare)
    fields = {"manifest": tmp_path / "bare.jsonl", "out": tmp_path / "bare.npz"}
    config = dataclasses.replace(
        _config(corpus), **{name: str(path) for name, path in fields.items()}
    )
    cache = token_cache.load(tokenize_corpus.run(config))
    assert cache.tokens.shape == (3, 50, 3)
    assert cache.text_codes.shape == (0, 3)
    assert cache.text_starts.tolist() == [0, 0, 0, 0]


def test_clips_too_short_for_all_are_an_error(corpus):
    with pytest.raises(errors.InputError, match="no clip of 9"):
        tokenize_corpus.run(_config(corpus, seconds=9.0))
    with pytest.raises(errors.InputError, match="0 < window_seconds <= seconds"):
        _config(corpus, window_seconds=3.0)


def test_networks_of_different_rates_are_refused(corpus, tmp_path):
    for name in ("codec", "mulan"):
        file = f"{name}.safetensors"
        (tmp_path / file).write_bytes((corpus / file).read_bytes())
    other = dataclasses.replace(SEMANTIC, hop=320)
    abstract = semantic_adapter.make_semantic(other).abstract_params()
    _write(tmp_path, "semantic", other, abstract)
    with pytest.raises(errors.InputError, match="at one rate"):
        tokenizers.load(tmp_path)


def test_a_soundstream_makes_the_coarse_tokens(corpus, tmp_path):
    for name in ("semantic", "mulan"):
        file = f"{name}.safetensors"
        (tmp_path / file).write_bytes((corpus / file).read_bytes())
    config = soundstream_config.SoundStreamConfig(
        sample_rate_hz=RATE, width=2, strides=(4, 4, 5, 8), dilations=(1,), kernel=3,
        levels=3, codebook_size=9, code_width=4,
    )  # fmt: skip
    abstract = soundstream_adapter.abstract_params(config)
    _write(tmp_path, "soundstream", config, abstract)
    (tmp_path / "soundstream.safetensors").rename(tmp_path / "codec.safetensors")
    sound, params = tokenizers.load(tmp_path)
    assert sound.layout.codebook_sizes == (5, 9, 9, 9)
    audio = 0.1 * jax.random.normal(jax.random.key(1), (1, 640 * 6))
    tokens = sound.clip_tokens(params, audio)
    codes = sound.codec.encode(params["codec"], audio)
    np.testing.assert_array_equal(tokens[..., 1:], codes)
