"""Probes of networks on disk, from the command line to the table."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.cli import main
from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.models.codec import adapter as codec_adapter
from musicrl_jax.models.codec import config as codec_config
from musicrl_jax.models.semantic import adapter as semantic_adapter
from musicrl_jax.models.semantic import config as semantic_config
from musicrl_jax.nn import clustering
from musicrl_jax.runs import probe

RATE = 16_000
SECONDS = 3.0
CODEC = codec_config.CodecConfig(
    num_mels=16, width=8, encoder_depth=1, code_depth=1, frame_depth=1, levels=2,
    codebook_size=8, code_width=4,
)  # fmt: skip
SEMANTIC = semantic_config.SemanticConfig(
    fft_size=640, num_mels=16, width=16, blocks=1, kernel=3, token_block=1, clusters=8,
    target_size=4, target_width=2,
)  # fmt: skip
HEIGHTS = {"low": 300.0, "high": 2_500.0}


def tone(number, height):
    generator = np.random.default_rng(number)
    time = np.arange(int(SECONDS * RATE)) / RATE
    pitch = HEIGHTS[height] * generator.uniform(0.95, 1.05)
    noise = 0.01 * generator.standard_normal(len(time))
    return (0.2 * np.sin(2 * np.pi * pitch * time) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Writes tones, labelled by height and by nothing that can be heard."""
    folder = tmp_path_factory.mktemp("probe")
    rows, sounds = [], []
    for number in range(24):
        height = ("low", "high")[number % 2]
        sounds.append(tone(number, height))
        waveform.write_wav(folder / f"{number}.wav", sounds[-1], RATE)
        rows.append(
            manifest.ClipRow(
                path=f"{number}.wav",
                duration_seconds=SECONDS,
                sample_rate_hz=RATE,
                captions=(),
                attributes={"height": height, "day": ("odd", "even")[number // 12]},
            )
        )
    short = dataclasses.replace(rows[0], duration_seconds=0.5)
    manifest.write_manifest(folder / "manifest.jsonl", [*rows, short])
    write_networks(folder, np.stack(sounds))
    return folder


def write_networks(folder, sounds):
    """Writes an untrained encoder with clusters of these sounds; a random codec."""
    tokenizer = semantic_adapter.make_semantic(SEMANTIC)
    params = tokenizer.init_params(jax.random.key(0))
    mel = jax.jit(lambda x: semantic_adapter.spectrogram.log_mel(x, SEMANTIC.mel))
    features = jax.jit(tokenizer.features)(params["network"], mel(sounds))
    points = features.reshape(-1, SEMANTIC.width)
    params["centroids"] = clustering.fit_kmeans(jax.random.key(1), points, 8)
    fields = dataclasses.asdict(SEMANTIC)
    weights.save_weights(folder / "semantic.safetensors", params, "semantic", fields)
    keys = iter(jax.random.split(jax.random.key(2), 200))
    random = jax.tree.map(
        lambda leaf: 0.3 * jax.random.normal(next(keys), leaf.shape),
        codec_adapter.abstract_params(CODEC),
    )
    fields = dataclasses.asdict(CODEC)
    weights.save_weights(folder / "codec.safetensors", random, "codec", fields)


@pytest.fixture
def musicrl(capsys, corpus):
    """Runs `probe` in this process: (exit code, standard output, error lines)."""

    def run(*arguments):
        fixed = ("--manifest", corpus / "manifest.jsonl", "--networks", corpus)
        shorter = (
            *("--gin_param", "ProbeConfig.seconds=3.0"),
            *("--gin_param", "ProbeConfig.folds=3"),
            *("--gin_param", "ProbeConfig.attributes=('height', 'day')"),
        )
        with pytest.raises(SystemExit) as ended:
            main.main([str(x) for x in ("probe", *fixed, *shorter, *arguments)])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err.splitlines()

    return run


def test_tokens_tell_what_is_heard_and_not_what_is_not(musicrl):
    code, out, lines = musicrl("--json")
    assert code == 0
    assert lines[-1].startswith("probe: 48 of 48")
    rows = json.loads(out)
    assert len(rows) == 2 * 3 * 3
    numbers = {(row["tokens"], row["seen"]): row["numbers"] for row in rows}
    assert numbers["semantic", "histogram"] == 8
    assert numbers["codec level 0", "histogram"] == 8
    assert numbers["codec levels 0-1", "histogram"] == 16
    seen = {"semantic", "codec level 0", "codec levels 0-1"}
    assert {numbers[name, "changes"] for name in seen} == {1024}
    by_place = {(r["attribute"], r["tokens"], r["seen"]): r for r in rows}
    heard = by_place["height", "semantic", "histogram"]
    assert heard["accuracy"] > 0.9
    assert (heard["clips"], heard["labels"], heard["semantic_lead"]) == (24, 2, 0)
    unheard = by_place["day", "semantic", "histogram"]
    assert unheard["accuracy"] < 0.5 + 4 * 0.5 / 24**0.5
    for row in rows:
        own = by_place[row["attribute"], "semantic", row["seen"]]["accuracy"]
        lead = own - row["accuracy"]
        assert row["semantic_lead"] == pytest.approx(lead, abs=1e-3)


@pytest.mark.slow
def test_a_person_gets_a_table(musicrl):
    code, out, _ = musicrl("--clips", "16")
    header, *rows = out.splitlines()
    assert code == 0
    assert header.split()[:4] == ["attribute", "tokens", "seen", "numbers"]
    assert len(rows) == 18


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--gin_param", "ProbeConfig.attributes=('mood',)"], "are: day, height"),
        (["--gin_param", "ProbeConfig.seconds=60.0"], "it has 0"),
        (["--gin_param", "ProbeConfig.seconds=0.0"], "positive, finite seconds"),
        (["--gin_param", "ProbeConfig.folds=1"], "must lie between 2"),
        (["--networks", "nowhere"], "nowhere is none"),
        (["--manifest", "none.jsonl"], "readable UTF-8"),
    ],
)
def test_bad_input_is_one_line_and_code_2(musicrl, arguments, words):
    code, out, lines = musicrl(*arguments)
    assert (code, out, len(lines)) == (2, "", 1)
    assert words in lines[0]


def test_an_attribute_with_one_label_is_refused(corpus, tmp_path):
    rows = manifest.read_manifest(corpus / "manifest.jsonl").rows[:24]
    same = [dataclasses.replace(row, attributes={"height": "low"}) for row in rows]
    manifest.write_manifest(tmp_path / "same.jsonl", same)
    config = probe.ProbeConfig(
        manifest=str(tmp_path / "same.jsonl"),
        networks=str(corpus),
        attributes=("height",),
        seconds=3.0,
    )
    with pytest.raises(errors.InputError, match="two or more labels"):
        probe.run(config)


@pytest.mark.parametrize("seconds", [0.0, float("nan"), float("inf")])
def test_lengths_are_positive_and_finite(seconds):
    with pytest.raises(errors.InputError, match=f"got .* and {seconds}"):
        probe.ProbeConfig(manifest="m", networks="n", seconds=seconds)
