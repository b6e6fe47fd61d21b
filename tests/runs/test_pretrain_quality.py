"""The estimator's run: from ratings to a weights file and figures, labelled."""

import json

import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors, writers
from musicrl_jax.data import ratings
from musicrl_jax.models.quality import config as quality_config
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop
from musicrl_jax.runs import pretrain_quality

RATE = 16_000
SIZES = quality_config.QualityConfig(
    fft_size=256,
    hop=128,
    num_mels=16,
    channels=(4,),
    width=8,
    blocks=1,
    min_seconds=0.1,
)


def rated_clips(folder, *, simulated):
    """Writes tones in more and more noise, of two origins, rated by two raters."""
    rng = np.random.default_rng(0)
    rows = []
    time = np.arange(6_400) / RATE
    for number in range(16):
        strength = (number % 8) / 7
        noise = rng.normal(size=len(time)) * 0.1 * strength
        path = f"{number}.wav"
        waveform.write_wav(folder / path, 0.1 * np.sin(3_000 * time) + noise, RATE)
        rows += [
            ratings.Rating(
                path=path,
                rater=rater,
                score=min(5.0, 5.0 - round(4 * strength) + shift),
                origin="model" if number % 2 else "human",
                split="held_out" if number > 11 else "train",
                simulated=simulated,
            )
            for rater, shift in (("mild", 1), ("strict", 0))
        ]
    ratings.write_ratings(folder / "ratings.jsonl", rows)
    return folder / "ratings.jsonl"


def settings(folder, *, simulated=True, name="run", **changes):
    fields = {
        "ratings": str(rated_clips(folder, simulated=simulated)),
        "run_dir": str(folder / name),
        "out": str(folder / f"{name}.safetensors"),
        "quality": SIZES,
        "pretrain": pretrain_config.PretrainConfig(
            steps=6, log_every=2, save_every=3, learning_rate=3e-3
        ),
        "batch_size": 4,
        "crop_seconds": (0.25,),
        "max_bad_share": 0.1,
    }
    return pretrain_quality.PretrainQualityConfig(**(fields | changes))


def test_simulated_ratings_are_called_so_everywhere(tmp_path):
    config = settings(tmp_path)
    with (tmp_path / "ratings.jsonl").open("a") as file:
        file.write("{cut off\n")
    figures = pretrain_quality.run(config)
    assert all(name.startswith("simulated/held_out/") for name in figures)
    assert figures["simulated/held_out/clips"] == 4
    rows = writers.read_json_lines(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 3, 4, 6]
    assert {row["simulated"] for row in rows} == {1.0}
    last = rows[-1]["simulated/held_out/mse"]
    assert last == pytest.approx(figures["simulated/held_out/mse"])
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["simulated"] is True
    bins = record["simulated/held_out/calibration"]
    assert sum(one["clips"] for one in bins) == 4
    problems = (tmp_path / "run" / pretrain_quality.BAD_ROWS).read_text()
    assert problems.startswith("line 33:")
    estimator, params = pretrain_quality.load(tmp_path / "run.safetensors")
    assert estimator.simulated
    assert not SIZES.simulated_raters
    clip = waveform.read_audio(tmp_path / "12.wav", RATE)[None]
    assert 1 < float(estimator.opinion(params, clip)[0]) < 5


@pytest.mark.slow
def test_human_ratings_are_not_called_simulated(tmp_path):
    figures = pretrain_quality.run(settings(tmp_path, simulated=False))
    assert all(name.startswith("held_out/") for name in figures)
    assert {"held_out/spearman/human", "held_out/spearman/model"} < set(figures)
    # Clips 12 to 15 have strengths 4/7 to 1: the strict rater gives 3, 2, 2, 1.
    assert figures["held_out/variance"] == pytest.approx(np.var([3.5, 2.5, 2.5, 1.5]))
    # Within a clip scores differ by 1; over all, by the eight scores below.
    pooled = np.array([3, 4, 2, 3, 2, 3, 1, 2])
    alpha = 1 - 1 / (2 * pooled.var(ddof=1))
    assert figures["held_out/rater_agreement_alpha"] == pytest.approx(alpha)
    assert not pretrain_quality.load(tmp_path / "run.safetensors")[0].simulated


def test_left_out_origins_are_judged_and_not_trained_on(tmp_path):
    config = settings(tmp_path, left_out=("model",))
    figures = pretrain_quality.run(config)
    assert figures["simulated/held_out/clips"] == 2
    assert figures["simulated/left_out/clips"] == 2
    assert "simulated/left_out/spearman/model" in figures
    assert "simulated/held_out/spearman/model" not in figures


@pytest.mark.slow
def test_stopped_run_goes_on_to_the_same_weights_file(tmp_path):
    config = settings(tmp_path, name="whole")
    pretrain_quality.run(config)
    asked = iter([False] * 2 + [True])
    stopped = settings(tmp_path, name="stopped")
    with pytest.raises(errors.Preempted):
        pretrain_quality.run(stopped, loop.Hooks(stop=lambda: next(asked)))
    pretrain_quality.run(stopped)
    whole, resumed = (tmp_path / f"{name}.safetensors" for name in ("whole", "stopped"))
    assert whole.read_bytes() == resumed.read_bytes()


def test_what_cannot_be_trained_on_is_refused(tmp_path):
    with pytest.raises(errors.InputError, match="it has 0 and 0"):
        pretrain_quality.run(settings(tmp_path, crop_seconds=(0.3, 9.0)))
    with pytest.raises(errors.InputError, match="crop_seconds"):
        settings(tmp_path, crop_seconds=(0.05,))
    path = tmp_path / "codec.safetensors"
    weights.save_weights(path, {"w": np.zeros(2, np.float32)}, "codec", {})
    with pytest.raises(
        errors.InputError, match="must hold a network of kind 'quality'"
    ):
        pretrain_quality.load(path)
