"""A corpus as tokens: the same as clip by clip, from networks on disk."""

import dataclasses
import functools
import itertools
import json
import pathlib
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
import tokenize_corpora as corpora

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, token_cache
from musicrl_jax.models.semantic import adapter as semantic_adapter
from musicrl_jax.models.soundstream import adapter as soundstream_adapter
from musicrl_jax.models.soundstream import config as soundstream_config
from musicrl_jax.runs import clip_encoder, pretrain_mulan, tokenize_corpus, tokenizers

RATE = corpora.RATE


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return corpora.write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module", autouse=True)
def _compiled_once():
    """Most tests use the same networks; each would compile them anew."""
    with pytest.MonkeyPatch.context() as patch:
        encoder = functools.cache(clip_encoder.ClipEncoder)
        patch.setattr(clip_encoder, "ClipEncoder", encoder)
        yield


def _open(config):
    return token_cache.TokenCache(pathlib.Path(tokenize_corpus.run(config).tokens))


def test_the_clips_are_what_each_gives_alone(corpus, tmp_path):
    seen, seconds = [], itertools.count()
    config = corpora.config(corpus, tmp_path, shards=2)
    summary = tokenize_corpus.run(
        config, lambda *done: seen.append(done), clock=lambda: float(next(seconds))
    )
    # The time goes on by a second at each look: one clip, then two, of three.
    assert [row[:2] for row in seen] == [(1, 3), (3, 3)]
    assert seen[0][2] == {"per_second": 1.0, "minutes_left": 2 / 60}
    assert (summary.clips, summary.shards) == (3, 2)
    assert (summary.too_short, summary.skipped) == (1, 0)
    cache = token_cache.TokenCache(tmp_path)
    assert cache.index.content_hash == summary.hash
    clips = cache.clips(range(3))
    assert [clip.row.path for clip in clips] == ["0.wav", "1.wav", "3.wav"]
    assert [len(clip.text_codes) for clip in clips] == [1, 2, 2]
    assert clips[1].tokens.shape == (50, 3)
    assert cache.index.largest_tokens == tuple(
        np.max([clip.tokens for clip in clips], axis=(0, 1))
    )
    assert cache.audio_starts.tolist() == [0, 12, 25]
    assert cache.index.window_frames == 25
    sound, params = tokenizers.load(corpus)
    assert sound.layout.codebook_sizes == (5, 6, 6)
    audio = jnp.asarray(waveform.read_audio(corpus / "1.wav", RATE))[None, : 2 * RATE]
    tokens = jax.jit(sound.clip_tokens)(params, audio)
    np.testing.assert_array_equal(clips[1].tokens, tokens[0])
    window = audio[:, 12 * 640 : 12 * 640 + RATE]
    embedded = jax.jit(sound.mulan.embed_audio)(params["mulan"], window)
    codes = sound.mulan.quantize(params["mulan"], embedded)
    np.testing.assert_array_equal(clips[1].audio_codes[1], codes[0])
    _, _, words = pretrain_mulan.load(corpus / "mulan.safetensors")
    text_ids = words.encode(["take 3 1"])
    embedded = jax.jit(sound.mulan.embed_text)(params["mulan"], text_ids)
    codes = sound.mulan.quantize(params["mulan"], embedded)
    np.testing.assert_array_equal(clips[2].text_codes[1], codes[0])


def test_a_corpus_without_captions_has_tokens_and_no_text_codes(corpus, tmp_path):
    rows = manifest.read_manifest(corpus / "manifest.jsonl").rows
    bare = [dataclasses.replace(row, captions=()) for row in rows]
    manifest.write_manifest(tmp_path / "bare.jsonl", bare)
    cache = _open(
        corpora.config(corpus, tmp_path / "bare", manifest=str(tmp_path / "bare.jsonl"))
    )
    for clip in cache.clips(range(3)):
        assert clip.text_codes.shape == (0, 3)
        # The files lie elsewhere than the manifest.
        assert pathlib.Path(clip.row.path).is_file()


def test_only_the_coarse_levels_are_tokens(corpus, tmp_path):
    every = _open(corpora.config(corpus, tmp_path / "every")).clips(range(3))
    first = _open(corpora.config(corpus, tmp_path / "first", coarse_levels=1)).clips(
        range(3)
    )
    for clip, whole in zip(first, every, strict=True):
        np.testing.assert_array_equal(clip.tokens, whole.tokens[:, :2])
    with pytest.raises(errors.InputError, match="codec's 2 in"):
        tokenizers.load(corpus, coarse_levels=3)


def test_a_job_that_ended_in_the_middle_gives_the_same_bytes(corpus, tmp_path):
    tokenize_corpus.run(corpora.config(corpus, tmp_path / "whole"))
    config = corpora.config(corpus, tmp_path / "broken")

    def breaking(done, total, figures):
        if done == 2:
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        tokenize_corpus.run(config, breaking)
    seen = []
    summary = tokenize_corpus.run(config, lambda *done: seen.append(done))
    assert [row[0] for row in seen] == [2, 3]
    assert corpora.contents(tmp_path / "broken") == corpora.contents(tmp_path / "whole")
    # And once more: it is finished, and says so at once.
    assert tokenize_corpus.run(config, breaking) == summary
    # A shard that is damaged afterwards is written again, and only that one.
    (shard, *_) = sorted((tmp_path / "broken").glob("*.array_record"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert tokenize_corpus.run(config) == summary
    assert corpora.contents(tmp_path / "broken") == corpora.contents(tmp_path / "whole")


def test_unreadable_clips_are_left_out_and_listed(corpus, tmp_path):
    rows = list(manifest.read_manifest(corpus / "manifest.jsonl").rows)
    (tmp_path / "noise.wav").write_bytes(b"no audio")
    soundfile.write(tmp_path / "nan.wav", np.full(2 * RATE, np.nan, "f4"), RATE,
                    subtype="FLOAT")  # fmt: skip
    soundfile.write(
        tmp_path / "short.wav",
        np.zeros(RATE, "f4"),
        RATE,
    )
    names = ["noise.wav", "absent.wav", "nan.wav", "short.wav"]
    bad = [dataclasses.replace(rows[0], path=str(tmp_path / name)) for name in names]
    path = tmp_path / "mixed.jsonl"
    manifest.write_manifest(path, [bad[0], rows[0], *bad[1:], *rows[1:]])
    config = corpora.config(corpus, tmp_path / "mixed", manifest=str(path), shards=4)
    with pytest.raises(errors.InputError, match=r"skipped\.jsonl lists"):
        tokenize_corpus.run(config)
    summary = tokenize_corpus.run(dataclasses.replace(config, max_bad_share=0.6))
    assert (summary.clips, summary.skipped) == (3, 4)
    lines = pathlib.Path(summary.skipped_file).read_text().splitlines()
    assert [pathlib.Path(json.loads(line)["name"]).name for line in lines] == names
    reasons = "".join(json.loads(line)["reason"] for line in lines)
    assert all(word in reasons for word in ("readable", "finite", "it lasts 1 s"))
    good = _open(corpora.config(corpus, tmp_path / "good")).clips(range(3))
    found = token_cache.TokenCache(tmp_path / "mixed").clips(range(3))
    for clip, other in zip(found, good, strict=True):
        np.testing.assert_array_equal(clip.tokens, other.tokens)


def test_other_networks_or_clips_need_another_folder(corpus, tmp_path):
    tokenize_corpus.run(corpora.config(corpus, tmp_path))
    with pytest.raises(errors.InputError, match="made from other window_seconds than"):
        tokenize_corpus.run(corpora.config(corpus, tmp_path, window_seconds=1.5))


@pytest.mark.slow
def test_a_killed_job_goes_on_and_gives_the_same_bytes(corpus, tmp_path):
    rows = manifest.read_manifest(corpus / "manifest.jsonl").rows
    manifest.write_manifest(tmp_path / "many.jsonl", rows * 40)
    whole, broken = (
        corpora.config(corpus, tmp_path / name, manifest=str(tmp_path / "many.jsonl"),
                shards=12)
        for name in ("whole", "broken")
    )  # fmt: skip
    tokenize_corpus.run(whole)
    fields = [
        f"--gin_param=TokenizeCorpusConfig.{name}={getattr(broken, name)!r}"
        for name in ("seconds", "window_seconds", "windows", "batch_size", "shards")
    ]
    command = [sys.executable, "-m", "musicrl_jax.cli.main", "tokenize", *fields]
    for option in ("manifest", "networks", "out"):
        command += [f"--{option}", getattr(broken, option)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    last = tmp_path / "broken" / "tokens-00011-of-00012.array_record"
    while not list(last.parent.glob("tokens-00002-*.json")):
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not last.exists()
    kept = {path: path.stat().st_ino for path in last.parent.glob("*.array_record")}
    tokenize_corpus.run(broken)
    assert corpora.contents(tmp_path / "broken") == corpora.contents(tmp_path / "whole")
    finished = sorted(kept)[:3]
    assert [path.stat().st_ino for path in finished] == [kept[p] for p in finished]


def test_clips_too_short_for_all_are_an_error(corpus, tmp_path):
    with pytest.raises(errors.InputError, match="no clip of 9"):
        tokenize_corpus.run(corpora.config(corpus, tmp_path, seconds=9.0))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window_seconds", 3.0),
        ("shards", 0),
        ("workers", 0),
        ("max_bad_share", 2.0),
        ("part", 1),
        ("parts", 17),
        ("manifest", "gs://bucket/manifest.jsonl"),
    ],
)
def test_impossible_settings_are_named(corpus, tmp_path, field, value):
    with pytest.raises(errors.InputError, match=field):
        corpora.config(corpus, tmp_path, **{field: value})


def test_networks_of_different_rates_are_refused(corpus, tmp_path):
    for name in ("codec", "mulan"):
        file = f"{name}.safetensors"
        (tmp_path / file).write_bytes((corpus / file).read_bytes())
    other = dataclasses.replace(corpora.SEMANTIC, hop=320)
    abstract = semantic_adapter.make_semantic(other).abstract_params()
    corpora.write(tmp_path, "semantic", other, abstract)
    with pytest.raises(errors.InputError, match="at one rate"):
        tokenizers.load(tmp_path)


@pytest.mark.slow
def test_a_soundstream_makes_the_coarse_tokens(corpus, tmp_path):
    for name in ("semantic", "mulan"):
        file = f"{name}.safetensors"
        (tmp_path / file).write_bytes((corpus / file).read_bytes())
    config = soundstream_config.SoundStreamConfig(
        sample_rate_hz=RATE, width=2, strides=(4, 4, 5, 8), dilations=(1,), kernel=3,
        levels=3, codebook_size=9, code_width=4,
    )  # fmt: skip
    abstract = soundstream_adapter.abstract_params(config)
    corpora.write(tmp_path, "soundstream", config, abstract)
    (tmp_path / "soundstream.safetensors").rename(tmp_path / "codec.safetensors")
    sound, params = tokenizers.load(tmp_path)
    assert sound.layout.codebook_sizes == (5, 9, 9, 9)
    audio = 0.1 * jax.random.normal(jax.random.key(1), (1, 640 * 6))
    tokens = sound.clip_tokens(params, audio)
    codes = sound.codec.encode(params["codec"], audio)
    np.testing.assert_array_equal(tokens[..., 1:], codes)
