"""`musicrl demo` on tiny networks: what it leaves, and that it may be stopped."""

import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.data import manifest
from musicrl_jax.evaluation import prompts
from musicrl_jax.models.attributes import config as attributes_config
from musicrl_jax.models.attributes import network as attributes_network
from musicrl_jax.runs import reconstruction, references, system

STEPS = 4
CLIPS = 4
GENRES = ("waltz", "tango")
GIN = f"""
include 'gin/runs/demo.gin'
DemoConfig.held_out_prompts = 6
DemoConfig.paper_prompts = 4
DemoConfig.examples = 3
DemoConfig.clips = {CLIPS}
RunConfig.networks = '{{networks}}'
RunConfig.clip_seconds = 1.0
LearnerConfig.steps = {STEPS}
LearnerConfig.batch_clips = {CLIPS}
LearnerConfig.value_warmup_steps = 1
LearnerConfig.policy_learning_rate = 1e-3
ActorConfig.clips = {CLIPS}
EvaluatorConfig.prompts = {CLIPS}
EvaluatorConfig.clips = {CLIPS}
"""


@pytest.fixture(scope="module")
def command(tmp_path_factory, networks):
    """Returns the command line of a tiny demo, but for `--out`."""
    write_judge(networks)
    write_prompts(networks)
    write_references(networks)
    gin_file = tmp_path_factory.mktemp("gin") / "tiny.gin"
    gin_file.write_text(GIN.format(networks=networks))
    module = (sys.executable, "-m", "musicrl_jax.cli.main")
    return (*module, "demo", "--gin_file", str(gin_file), "--out")


def write_judge(folder):
    config = attributes_config.AttributesConfig(
        heads=(attributes_config.Head(name="genre", labels=GENRES),),
        num_mels=16,
        channels=(2, 4),
        width=8,
    )
    params = attributes_network.init_params(config, jax.random.key(0))
    fields = dataclasses.asdict(config)
    path = folder / "attributes.safetensors"
    weights.save_weights(path, params, "attributes", fields)


def write_prompts(folder):
    held_out = [
        prompts.Prompt(text=f"a {genre}, number {n}", attributes={"genre": genre})
        for n in range(4)
        for genre in GENRES
    ]
    prompts.write_prompts(folder / system.HELD_OUT_PROMPTS, held_out)


def write_references(folder):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(3):
        clip = rng.uniform(-0.5, 0.5, 32_000).astype(np.float32)
        path = folder / f"clip_{number}.wav"
        waveform.write_wav(path, clip, 16_000)
        rows.append(
            manifest.ClipRow(
                path=str(path),
                duration_seconds=2.0,
                sample_rate_hz=16_000,
                captions=("a waltz",),
                attributes={"genre": "waltz"},
                split="held_out",
            )
        )
    codec = reconstruction.load(folder / "codec.safetensors")
    references.write(folder, rows, codec, seed=0, seconds=1.5)


def run_demo(command, out):
    return subprocess.run(
        [*command, str(out)],
        env=os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.slow
def test_the_demo_leaves_a_report_that_agrees_with_its_parts(command, tmp_path):
    out = tmp_path / "demo"
    done = run_demo(command, out)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip().splitlines()) == 10
    report = json.loads((out / "report.json").read_text())
    check_numbers(report, out)
    check_sound(report, out)
    page = (out / "report.html").read_text()
    outside = re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)([^"']*)""", page)
    assert outside == []


def check_numbers(report, out):
    """Compares the report with what the processes and the scores' table say."""
    rows = (out / "run" / "metrics" / "learner.jsonl").read_text().splitlines()
    assert report["steps"] == len(rows) == STEPS
    assert report["trajectories_used"] == STEPS * CLIPS
    assert report["reward_prompts"] == 10
    assert 0 <= report["learner_wait_share"] <= 1
    assert 0 <= report["actor_wait_share"] <= 1
    frames = system.load_language(
        system.networks_directory(networks_of(out))
    ).policy.layout
    tokens = frames.num_frames(1.0) * frames.tokens_per_frame
    assert report["kl_per_token"] == pytest.approx(report["kl_per_sequence"] / tokens)
    with (out / "scores.csv").open() as file:
        scores = list(csv.DictReader(file))
    before, after = (
        np.array(
            [float(row["reward/total"]) for row in scores if row["stage"] == stage]
        )
        for stage in ("before", "after")
    )
    assert report["reward_before"] == pytest.approx(before.mean(), abs=1e-4)
    assert report["reward_after"] == pytest.approx(after.mean(), abs=1e-4)
    error = np.std(after - before, ddof=1) / np.sqrt(len(before))
    assert report["reward_gain_stderr"] == pytest.approx(error, abs=1e-4)


def networks_of(out):
    text = (out / "run" / "config" / "operative.gin").read_text()
    return re.search(r"RunConfig.networks = '([^']*)'", text).group(1)


def check_sound(report, out):
    """Looks at every file that the report names."""
    assert {clip["stage"] for clip in report["audio"]} >= {"before", "after"}
    for clip in report["audio"]:
        sound = waveform.read_audio(out / clip["file"], 16_000)
        assert len(sound) == 16_000
        assert np.abs(sound).max() > 0.001


@pytest.mark.slow
def test_a_demo_that_was_stopped_goes_on_with_the_same_call(command, tmp_path):
    out = tmp_path / "demo"
    started = subprocess.Popen(
        [*command, str(out)],
        env=os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    metrics = out / "run" / "metrics" / "learner.jsonl"
    deadline = time.monotonic() + 240
    while not metrics.exists() and started.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=120)
    assert started.returncode == 143, err
    assert "Traceback" not in err
    again = run_demo(command, out)
    assert again.returncode == 0, again.stderr
    report = json.loads((out / "report.json").read_text())
    assert report["steps"] == STEPS
    assert report["trajectories_used"] == STEPS * CLIPS
