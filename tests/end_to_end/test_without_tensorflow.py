"""The main job must run where TensorFlow and seqio are not installed."""

import os
import subprocess
import sys

import pytest

HIDDEN = ("tensorflow", "seqio", "t5", "torch")
HIDE = f"""
import importlib.machinery
import sys

class Hiding(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] in {HIDDEN}:
            return None
        return super().find_spec(name, path, target)

position = sys.meta_path.index(importlib.machinery.PathFinder)
sys.meta_path[position] = Hiding
"""


@pytest.fixture
def blocked(tmp_path):
    """Returns an environment in which no Python process can find TensorFlow."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDE)
    for name in HIDDEN:
        (folder / f"{name}.py").write_text("")
    return os.environ | {"PYTHONPATH": str(folder), "JAX_PLATFORMS": "cpu"}


@pytest.mark.parametrize("name", HIDDEN)
def test_the_block_works(blocked, name):
    """The environment does hold such a module; without the block it is found."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"],
        env=blocked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"No module named '{name}'" in done.stderr


@pytest.mark.slow
def test_finetune_and_generate_run_without_tensorflow(blocked, tmp_path, networks):
    gin_file = tmp_path / "tiny.gin"
    gin_file.write_text(
        f"include 'gin/runs/finetune.gin'\nRunConfig.networks = '{networks}'\n"
        "RunConfig.clip_seconds = 0.8\nRunConfig.num_actors = 1\n"
        "LearnerConfig.steps = 2\nLearnerConfig.batch_clips = 2\n"
        "LearnerConfig.value_warmup_steps = 1\nActorConfig.clips = 2\n"
        "EvaluatorConfig.prompts = 2\nEvaluatorConfig.clips = 2\n"
    )
    run_dir, out = tmp_path / "run", tmp_path / "a.wav"
    for command in (
        ("finetune", "--gin_file", gin_file, "--run_dir", run_dir),
        ("generate", "--prompt", "x", "--networks", networks, "--out", out,
         "--seconds", "1"),
    ):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "musicrl_jax.cli.main", *map(str, command)],
            env=blocked,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (run_dir / "learner" / "done").exists()
    assert out.exists()
