"""The processes of a run, on tiny networks: they end, resume and repeat exactly."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from musicrl_jax.core import writers

STEPS = 4
GIN = """
RunConfig.learner = @LearnerConfig()
RunConfig.actor = @ActorConfig()
RunConfig.evaluator = @EvaluatorConfig()
RunConfig.clip_seconds = 0.8
RunConfig.num_actors = 2
RunConfig.networks = '{networks}'
LearnerConfig.steps = {steps}
LearnerConfig.batch_clips = 4
LearnerConfig.value_warmup_steps = 1
LearnerConfig.chunk_frames = 10
LearnerConfig.policy_learning_rate = 1e-3
ActorConfig.clips = 2
ActorConfig.max_pending_clips = 8
EvaluatorConfig.prompts = 2
EvaluatorConfig.clips = 2
RunConfig.keep_checkpoints = 100
"""


def write_gin(folder, networks, steps=STEPS):
    path = folder / "tiny.gin"
    path.write_text(GIN.format(networks=networks, steps=steps))
    return path


def start(*arguments):
    environment = os.environ | {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "-m", "musicrl_jax.cli.main", *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, seconds=240):
    try:
        return process.communicate(timeout=seconds)
    finally:
        end(process)


def end(process):
    """Kills what still runs and closes its pipes."""
    process.kill()
    process.communicate()


def wait_until(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"timed out after {seconds} s")
        time.sleep(0.05)


def logs(run_dir):
    return "\n".join(
        f"== {log.name}\n{log.read_text()}"
        for log in sorted(pathlib.Path(run_dir, "logs").glob("*.log"))
    )


def manifests(run_dir):
    return {
        path.name: json.loads(path.read_text())
        for path in pathlib.Path(run_dir, "batches").glob("*.json")
    }


def items(run_dir):
    return [
        tuple(item)
        for manifest in manifests(run_dir).values()
        for item in manifest["items"]
    ]


def last_policy_digest(run_dir):
    newest = max(pathlib.Path(run_dir, "published").glob("*.json"))
    return json.loads(newest.read_text())["digest"]


@pytest.mark.slow
def test_finetune_ends_and_every_clip_is_used_once(tmp_path, networks):
    run_dir = tmp_path / "run"
    gin_file = write_gin(tmp_path, networks)
    process = start("finetune", "--gin_file", gin_file, "--run_dir", run_dir, "--json")
    out, err = finish(process)
    assert process.returncode == 0, err + logs(run_dir)
    assert json.loads(out)["step"] == STEPS
    used = items(run_dir)
    assert len(used) == len(set(used)) == STEPS * 4
    rows = writers.read_json_lines(run_dir / "metrics" / "learner.jsonl")
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    evaluated = writers.read_json_lines(run_dir / "metrics" / "evaluator.jsonl")
    assert evaluated[-1]["step"] == STEPS
    assert evaluated[0]["kl/sequence"] < 1e-3 or evaluated[0]["step"] > 1
    before = manifests(run_dir)
    again = start("finetune", "--gin_file", gin_file, "--run_dir", run_dir, "--json")
    out, err = finish(again)
    assert again.returncode == 0, err
    assert json.loads(out) == {"step": STEPS, "reason": "steps", "restarts": 0}
    assert manifests(run_dir) == before


@pytest.mark.slow
def test_a_killed_learner_resumes_and_repeats_bit_for_bit(tmp_path, networks):
    run_dir = tmp_path / "run"
    gin_file = write_gin(tmp_path, networks, steps=6)
    shared = ("--gin_file", gin_file, "--run_dir", run_dir)
    actors = [start("actor", "--actor_id", i, *shared) for i in range(2)]
    try:
        learner = start("learner", *shared)
        wait_until(lambda: len(manifests(run_dir)) >= 3)
        end(learner)
        again = start("learner", *shared)
        _, err = finish(again)
        assert again.returncode == 0, err
        for actor in actors:
            _, err = finish(actor)
            assert actor.returncode == 0, err
    finally:
        for actor in actors:
            end(actor)
    used = items(run_dir)
    assert len(used) == len(set(used)) == 6 * 4
    repeated = replay_without_interruption(run_dir, tmp_path / "replay", gin_file)
    assert repeated == last_policy_digest(run_dir)


def replay_without_interruption(run_dir, copy, gin_file):
    """Runs one learner from the start over the manifests of `run_dir`."""
    for folder in ("traj", "batches"):
        target = copy / folder
        target.mkdir(parents=True)
        for path in (run_dir / folder).iterdir():
            (target / path.name).write_bytes(path.read_bytes())
    learner = start("learner", "--gin_file", gin_file, "--run_dir", copy)
    _, err = finish(learner)
    assert learner.returncode == 0, err
    return last_policy_digest(copy)


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_the_same_command(tmp_path, networks):
    run_dir = tmp_path / "run"
    gin_file = write_gin(tmp_path, networks, steps=6)
    command = ("finetune", "--gin_file", gin_file, "--run_dir", run_dir)
    process = start(*command)
    wait_until(lambda: len(manifests(run_dir)) >= 2)
    process.send_signal(signal.SIGINT)
    _, err = finish(process)
    assert process.returncode == 143, err + logs(run_dir)
    assert "goes on with the same command" in err
    before = len(manifests(run_dir))
    assert before < 6
    again = start(*command)
    _, err = finish(again)
    assert again.returncode == 0, err + logs(run_dir)
    used = items(run_dir)
    assert len(used) == len(set(used)) == 6 * 4


@pytest.mark.slow
def test_a_role_with_another_config_is_refused(tmp_path, networks):
    run_dir = tmp_path / "run"
    gin_file = write_gin(tmp_path, networks)
    shared = ("--gin_file", gin_file, "--run_dir", run_dir)
    first = start("learner", *shared)
    wait_until((run_dir / "config" / "hash").exists)
    other = start("actor", *shared, "--gin_param", "RunConfig.seed = 5")
    _, err = finish(other)
    end(first)
    assert other.returncode == 78
    assert '"seed": 0' in err
    assert '"seed": 5' in err
    assert len(err.strip().splitlines()) == 1
