"""The attribute judge's run: from clips to a weights file, alone in its directory."""

import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors, writers
from musicrl_jax.data import manifest
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.runs import directory_lock, pretrain_attributes

RATE = 16_000


@pytest.fixture
def config(tmp_path):
    """Writes low and high tones; returns the settings of a run of two steps."""
    rows = []
    for number in range(10):
        pitch = 200 if number % 2 else 2000
        tone = 0.1 * np.sin(2 * np.pi * pitch * np.arange(RATE) / RATE)
        waveform.write_wav(tmp_path / f"{number}.wav", tone.astype(np.float32), RATE)
        rows.append(
            manifest.ClipRow(
                path=f"{number}.wav",
                duration_seconds=1.0,
                sample_rate_hz=RATE,
                captions=(),
                attributes={"height": "low" if number % 2 else "high"},
                split="train" if number < 8 else "held_out",
            )
        )
    manifest.write_manifest(tmp_path / "manifest.jsonl", rows)
    return pretrain_attributes.PretrainAttributesConfig(
        manifest=str(tmp_path / "manifest.jsonl"),
        run_dir=str(tmp_path / "run"),
        out=str(tmp_path / "attributes.safetensors"),
        attributes=("height",),
        pretrain=pretrain_config.PretrainConfig(steps=2, save_every=2, log_every=1),
        batch_size=4,
        crop_seconds=(0.5,),
    )


@pytest.mark.slow
def test_a_run_writes_the_judge_and_each_row_once(config, tmp_path):
    stale = writers.JsonLinesWriter(tmp_path / "run" / "metrics.jsonl")
    stale.write(1, {"loss": 0.0})  # of a process that was killed before it saved
    figures = pretrain_attributes.run(config)
    assert set(figures) == {"held_out/accuracy/recorded/held_out/height"}
    judge, _ = pretrain_attributes.load(tmp_path / "attributes.safetensors")
    assert [head.labels for head in judge.config.heads] == [("high", "low")]
    rows = writers.read_json_lines(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    assert rows[0]["loss"] > 0


def test_a_second_process_is_refused(config, tmp_path):
    with (
        directory_lock.only_one(tmp_path / "run", "pretrain"),
        pytest.raises(errors.InputError, match="Wait for it"),
    ):
        pretrain_attributes.run(config)
