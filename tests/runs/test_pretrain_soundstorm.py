"""SoundStorm's run: from a manifest and a codec to a weights file, and the sound."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.models.codec import adapter as codec_adapter
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.semantic import adapter as semantic_adapter
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop
from musicrl_jax.runs import code_corpus, pretrain_soundstorm

RATE = 16_000
CODEC = codec_config.CodecConfig(
    fft_size=256, hop=64, num_mels=8, width=8, encoder_depth=1, code_depth=1,
    frame_depth=1, levels=3, codebook_size=6, code_width=4, refine_iterations=0,
)  # fmt: skip
SEMANTIC = semantic_config.SemanticConfig(
    fft_size=256, hop=128, num_mels=8, width=8, blocks=1, kernel=3, token_block=1,
    clusters=5, target_size=4, target_width=2,
)  # fmt: skip
SIZES = soundstorm_config.SoundStormConfig(
    levels=3, coarse_levels=1, codebook_size=6, width=8, heads=2, layers=1, kernel=3
)
DECODING = soundstorm_config.DecodingConfig(iterations=(3, 1))


def random_weights(path, name, config, abstract):
    keys = iter(jax.random.split(jax.random.key(0), 100))
    params = jax.tree.map(
        lambda leaf: 0.3 * jax.random.normal(next(keys), leaf.shape), abstract
    )
    weights.save_weights(path, params, name, dataclasses.asdict(config))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for number, seconds in enumerate((1.0, 1.2, 0.5, 1.0, 1.0, 1.0)):
        random = np.random.default_rng(number)
        sound = 0.1 * random.standard_normal(int(seconds * RATE)).astype(np.float32)
        waveform.write_wav(folder / f"{number}.wav", sound, RATE)
        rows.append(
            manifest.ClipRow(
                path=f"{number}.wav",
                duration_seconds=seconds,
                sample_rate_hz=RATE,
                captions=(),
                split="train" if number else "held_out",
            )
        )
    manifest.write_manifest(folder / "manifest.jsonl", rows)
    abstract = codec_adapter.abstract_params(CODEC)
    random_weights(folder / "codec.safetensors", "codec", CODEC, abstract)
    abstract = semantic_adapter.make_semantic(SEMANTIC).abstract_params()
    random_weights(folder / "semantic.safetensors", "semantic", SEMANTIC, abstract)
    return folder


def settings(corpus, folder, name="run", sizes=SIZES, **changes):
    return pretrain_soundstorm.PretrainSoundStormConfig(
        manifest=str(corpus / "manifest.jsonl"),
        networks=str(corpus),
        run_dir=str(folder / name),
        out=str(folder / f"{name}.safetensors"),
        soundstorm=sizes,
        decoding=DECODING,
        pretrain=pretrain_config.PretrainConfig(
            steps=4, log_every=2, save_every=2, average_decay=0.5
        ),
        seconds=1.0,
        batch_size=4,
        crop_frames=40,
        held_out_seconds=0.5,
        **changes,
    )


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_weights(corpus, tmp_path):
    whole = pretrain_soundstorm.run(settings(corpus, tmp_path, "whole"))
    asked = iter([False, True])
    config = settings(corpus, tmp_path, "stopped")
    with pytest.raises(errors.Preempted):
        pretrain_soundstorm.run(config, loop.Hooks(stop=lambda: next(asked)))
    assert pretrain_soundstorm.run(config).read_bytes() == whole.read_bytes()
    stage, params = pretrain_soundstorm.load(whole, CODEC)
    assert (stage.config, stage.decoding) == (SIZES, DECODING)
    figures = json.loads(whole.with_suffix(".json").read_text("utf-8"))
    assert figures["step"] == 4
    # The held-out clip by hand, with what is in the file (float16).
    encoder = code_corpus.load(corpus, with_semantic=False)
    audio = waveform.read_audio(corpus / "0.wav", RATE)[None, : 62 * 128]
    codes = encoder.codec.encode(encoder.codec_params, jnp.asarray(audio))
    logits = stage.teacher_logits(params, codes, jnp.asarray(2))
    right = float(np.mean(np.argmax(logits, -1) == np.asarray(codes[..., 2])))
    assert figures["held_out/teacher/accuracy/level_2"] == pytest.approx(
        right, abs=0.04
    )
    assert {f"held_out/mel_l1/{x}" for x in ("coarse", "soundstorm", "true")} < set(
        figures
    )


def test_codes_are_those_of_each_clip_alone_and_short_ones_are_left_out(
    corpus, tmp_path
):
    encoder = code_corpus.load(corpus, with_semantic=True)
    path = corpus / "manifest.jsonl"
    cache = code_corpus.build(encoder, path, tmp_path, 1.0)
    assert [row.path.rsplit("/", 1)[-1][0] for row in cache.rows] == [*"01345"]
    assert (cache.frames, encoder.clusters) == (125, 5)
    audio = waveform.read_audio(corpus / "4.wav", RATE)[None, : 125 * 128]
    found = cache.crop(3, 0, 125)
    codes = encoder.codec.encode(encoder.codec_params, jnp.asarray(audio))
    np.testing.assert_array_equal(found["codes"], codes[0])
    tokens = jax.jit(encoder.semantic.tokenize)(encoder.semantic_params, audio)
    np.testing.assert_array_equal(found["semantic"], tokens[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": 4}, r"the codec's \(3, 6\); got \(4, 6\)"),
        ({"codebook_size": 7}, r"the codec's \(3, 6\); got \(3, 7\)"),
        ({"semantic_size": 4}, "the tokenizer's 5 clusters; got 4"),
    ],
)
def test_sizes_must_be_those_of_the_networks(corpus, tmp_path, change, message):
    config = settings(corpus, tmp_path, sizes=dataclasses.replace(SIZES, **change))
    with pytest.raises(errors.InputError, match=message):
        pretrain_soundstorm.run(config)


def test_bad_settings_are_refused(corpus, tmp_path):
    with pytest.raises(errors.InputError, match="0 < held_out_seconds <= seconds"):
        dataclasses.replace(settings(corpus, tmp_path), held_out_seconds=2.0)
    with pytest.raises(errors.InputError, match="1 or more"):
        settings(corpus, tmp_path, held_out_clips=0)
    encoder = code_corpus.load(corpus, with_semantic=False)
    with pytest.raises(errors.InputError, match="no clip of 9"):
        code_corpus.build(encoder, corpus / "manifest.jsonl", tmp_path, 9.0)
