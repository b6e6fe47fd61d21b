"""The main job must run where TensorFlow and seqio are not installed."""

import os
import subprocess
import sys

import pytest

BLOCK = """
import sys
for name in ("tensorflow", "seqio", "t5", "torch"):
    sys.modules[name] = None  # an import of it now raises ImportError
"""


@pytest.fixture
def blocked(tmp_path):
    """Returns an environment in which every Python process refuses TensorFlow."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCK)
    return os.environ | {"PYTHONPATH": str(folder), "JAX_PLATFORMS": "cpu"}


def test_the_block_works(blocked):
    code = "import tensorflow"
    done = subprocess.run([sys.executable, "-c", code], env=blocked, check=False)
    assert done.returncode != 0


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
