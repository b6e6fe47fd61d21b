"""Networks with random weights: whole processes run on them in seconds."""

import dataclasses
import os
import subprocess
import sys
import types

import jax
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import layout
from musicrl_jax.data import captions, text
from musicrl_jax.evaluation import prompts
from musicrl_jax.models.codec import adapter as codec
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.codec import objective as codec_objective
from musicrl_jax.models.mulan import adapter as mulan
from musicrl_jax.models.mulan import config as mulan_config
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.soundstorm import adapter as soundstorm
from musicrl_jax.models.soundstorm import config as soundstorm_config
from musicrl_jax.models.soundstream import adapter as soundstream
from musicrl_jax.models.soundstream import config as soundstream_config
from musicrl_jax.runs import system

CAPTIONS = [
    f"A {speed} {genre} played by {player}."
    for speed in ("slow", "fast")
    for genre in ("waltz", "tango", "rock song", "techno track")
    for player in ("strings", "a piano", "an accordion", "synths")
]


TOKENS = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=16),
        layout.Stream(name="coarse", codebook_size=16, levels=4),
    )
)


@pytest.fixture(scope="session")
def tiny():
    """Returns what writes tiny networks of other sizes than `networks` has."""
    return types.SimpleNamespace(
        write_codec=write_codec,
        write_soundstream=write_soundstream,
        write_mulan=write_mulan,
        write_musiclm=write_musiclm,
        write_soundstorm=write_soundstorm,
        CAPTIONS=CAPTIONS,
    )


@pytest.fixture
def musicrl_process():
    """Runs a command as a process; returns its exit code, output and errors."""

    def call(*arguments, seconds=400):
        done = subprocess.run(
            [sys.executable, "-m", "musicrl_jax.cli.main", *map(str, arguments)],
            env=os.environ | {"JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """Returns a directory like the starter's, with tiny untrained networks."""
    folder = tmp_path_factory.mktemp("networks")
    write_codec(folder)
    write_mulan(folder)
    write_musiclm(folder)
    captions.build_caption_file(CAPTIONS[::2], folder / system.TRAIN_CAPTIONS)
    held_out = [prompts.Prompt(text=caption) for caption in CAPTIONS[1::2]]
    prompts.write_prompts(folder / system.HELD_OUT_PROMPTS, held_out)
    return folder


def write_codec(folder, frames_per_code=2, levels=4):
    config = codec_config.CodecConfig(
        levels=levels,
        frames_per_code=frames_per_code,
        width=16,
        num_mels=16,
        encoder_depth=1,
        code_depth=1,
        frame_depth=1,
        codebook_size=16,
        code_width=8,
        refine_iterations=0,
    )
    trainer = codec_objective.CodecObjective(
        config=config, loss_config=codec_config.CodecLossConfig()
    )
    params = codec.export_params(*jax.jit(trainer.init)(jax.random.key(0)))
    params = audible(params, jax.random.key(4))
    fields = dataclasses.asdict(config)
    weights.save_weights(folder / "codec.safetensors", params, "codec", fields)


def write_soundstream(folder):
    config = soundstream_config.SoundStreamConfig(
        sample_rate_hz=16_000,
        width=2,
        strides=(4, 4, 5, 8),
        dilations=(1,),
        kernel=3,
        levels=4,
        codebook_size=16,
        code_width=8,
    )
    silent = jax.tree.map(
        lambda leaf: jax.numpy.zeros(leaf.shape), soundstream.abstract_params(config)
    )
    params = audible(silent, jax.random.key(5))
    fields = dataclasses.asdict(config)
    weights.save_weights(folder / "codec.safetensors", params, "soundstream", fields)


def audible(params, key):
    """Moves every weight at random: an untrained codec decodes to silence."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    moved = [
        leaf + 0.5 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, moved)


def write_mulan(folder):
    tokenizer = text.TextTokenizer.build(CAPTIONS, width=16)
    config = mulan_config.MulanConfig(
        vocabulary_size=tokenizer.vocabulary_size,
        text_words=16,
        text_width=16,
        text_heads=2,
        num_mels=16,
        audio_widths=(8, 16),
        audio_blocks=1,
        embedding=16,
        conditioning_tokens=3,
        codebook_size=16,
        min_seconds=0.1,
    )
    embedder = mulan.make_mulan(config)
    params = dict(jax.jit(embedder.init_params)(jax.random.key(1)))
    params["codebooks"] = jax.random.normal(
        jax.random.key(2), params["codebooks"].shape
    )
    fields = dataclasses.asdict(config) | {"tokenizer": tokenizer.to_dict()}
    weights.save_weights(folder / "mulan.safetensors", params, "mulan", fields)


def write_musiclm(folder, tokens=TOKENS):
    config = musiclm_config.MusicLMConfig(
        width=16,
        heads=2,
        layers=1,
        depth_width=16,
        depth_heads=2,
        window_frames=8,
        conditioning_tokens=3,
        conditioning_size=16,
    )
    params = jax.jit(musiclm.make_policy(config, tokens).init)(jax.random.key(3))
    described = {
        "musiclm": dataclasses.asdict(config),
        "layout": dataclasses.asdict(tokens),
    }
    weights.save_weights(folder / "musiclm.safetensors", params, "musiclm", described)


def write_soundstorm(folder, levels, semantic_size=0):
    config = soundstorm_config.SoundStormConfig(
        levels=levels,
        coarse_levels=4,
        codebook_size=16,
        semantic_size=semantic_size,
        width=16,
        heads=2,
        layers=1,
        kernel=3,
    )
    decoding = soundstorm_config.DecodingConfig(iterations=(3, 1))
    stage = soundstorm.make_soundstorm(config, decoding)
    params = jax.jit(stage.init)(jax.random.key(5))
    described = {
        "soundstorm": dataclasses.asdict(config),
        "decoding": dataclasses.asdict(decoding),
    }
    path = folder / "soundstorm.safetensors"
    weights.save_weights(path, params, "soundstorm", described)
