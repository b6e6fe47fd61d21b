"""Three updates of the paper's length: 30 s clips of 750 frames x 9 tokens."""

import json

import numpy as np
import pytest

from musicrl_jax.core import layout, writers
from musicrl_jax.data import captions
from musicrl_jax.evaluation import prompts
from musicrl_jax.runs import system

FULL = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=16),
        layout.Stream(name="coarse", codebook_size=16, levels=4, steps_per_frame=2),
    )
)
GIN = """
include 'gin/runs/finetune.gin'
RunConfig.networks = '{networks}'
RunConfig.clip_seconds = 30.0
RunConfig.num_actors = 1
LearnerConfig.steps = 3
LearnerConfig.batch_clips = 2
LearnerConfig.value_warmup_steps = 1
ActorConfig.clips = 2
EvaluatorConfig.prompts = 2
EvaluatorConfig.clips = 2
"""


@pytest.mark.slow
def test_three_updates_at_full_length(tmp_path, tiny, musicrl_process):
    networks = tmp_path / "networks"
    networks.mkdir()
    tiny.write_codec(networks, frames_per_code=1)  # 50 Hz, two steps a frame
    tiny.write_mulan(networks)
    tiny.write_musiclm(networks, FULL)
    captions.build_caption_file(tiny.CAPTIONS, networks / system.TRAIN_CAPTIONS)
    held_out = [prompts.Prompt(text=caption) for caption in tiny.CAPTIONS]
    prompts.write_prompts(networks / system.HELD_OUT_PROMPTS, held_out)
    gin_file, run_dir = tmp_path / "full.gin", tmp_path / "run"
    gin_file.write_text(GIN.format(networks=networks))

    code, _, err = musicrl_process(
        "finetune", "--gin_file", gin_file, "--run_dir", run_dir
    )

    assert code == 0, err
    used = [
        item
        for path in (run_dir / "batches").glob("*.json")
        for item in json.loads(path.read_text())["items"]
    ]
    assert len(used) == 3 * 2
    last = writers.read_json_lines(run_dir / "metrics" / "evaluator.jsonl")[-1]
    assert last["step"] == 3
    tokens = last["kl/sequence"] / last["kl/token"]
    np.testing.assert_allclose(tokens, 6750, rtol=1e-5)
    assert 0 <= last["audio/silence_share"] <= 1
    assert 0 <= last["audio/clipping_share"] <= 1
