"""What a run directory holds: best state, samples, data that it knows again."""

import dataclasses
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, protocols, writers
from musicrl_jax.pretraining import loop
from musicrl_jax.runs import directory_lock, training
from tests.pretraining import linear

SOUND = protocols.Samples(
    waveforms={"clip_0/tone": 0.5 * np.sin(np.arange(8_000) / 5).astype(np.float32)},
    sample_rate_hz=16_000,
)


def figures_of(best):
    """Returns an evaluation whose loss is least after `best` updates."""
    return lambda state: {"held_out/loss": abs(int(state.step) - best) / 10}


def train(run_dir, hooks=None, begin=None, batches=None, **changes):
    settings = linear.config(**({"steps": 8, "save_every": 2, "keep": 1} | changes))
    batches = batches or linear.RandomBatches()
    quiet = linear.LinearObjective(noise=0.0)
    return training.train(quiet, batches, settings, run_dir, hooks, begin)


def test_best_is_kept_when_the_figure_gets_worse_and_the_run_goes_on(tmp_path):
    best = {"best_metric": "held_out/loss"}
    hooks = loop.Hooks(evaluate=figures_of(4))
    assert int(train(tmp_path, hooks, **best).step) == 8
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} >= {"8"}
    longer = train(tmp_path, hooks, **best, steps=10)
    rows = writers.read_json_lines(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 11))  # went on from 8
    assert int(longer.step) == 10
    exported = train(tmp_path, hooks, **best, steps=10, export_best=True)
    assert int(exported.step) == 4
    alone = train(tmp_path / "four", steps=4, warmup_steps=3)
    assert int(alone.step) == 4
    assert not np.array_equal(exported.params["weight"], longer.params["weight"])


@pytest.mark.parametrize("stop_at", [4, 8])
def test_a_stop_at_an_evaluation_changes_nothing_of_what_is_exported(tmp_path, stop_at):
    settings = {"best_metric": "held_out/loss", "export_best": True, "save_every": 4}
    evaluate = figures_of(stop_at)
    asked = iter([False] * (stop_at - 1) + [True])
    hooks = loop.Hooks(evaluate=evaluate, stop=lambda: next(asked))
    with pytest.raises(errors.Preempted):
        train(tmp_path, hooks, **settings)
    rows = writers.read_json_lines(tmp_path / "metrics.jsonl")
    assert rows[-1]["held_out/loss"] == 0.0
    resumed = train(tmp_path, loop.Hooks(evaluate=evaluate), **settings)
    whole = train(tmp_path / "whole", loop.Hooks(evaluate=evaluate), **settings)
    assert int(resumed.step) == stop_at
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)


@pytest.mark.parametrize("kill_at", [4, 8])
def test_an_evaluation_that_a_kill_cut_short_is_made_up_for_once(tmp_path, kill_at):
    settings = {"best_metric": "held_out/loss", "export_best": True, "save_every": 4}

    def killed(state):
        if int(state.step) == kill_at:
            raise KeyboardInterrupt
        return figures_of(kill_at)(state)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, loop.Hooks(evaluate=killed), **settings)
    measured = []

    def evaluate(state):
        measured.append(int(state.step))
        return figures_of(kill_at)(state)

    for _ in range(2):
        exported = train(tmp_path, loop.Hooks(evaluate=evaluate), **settings)
        assert int(exported.step) == kill_at
    assert measured == [step for step in (4, 8) if step >= kill_at]
    rows = writers.read_json_lines(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 9))


def test_rows_of_steps_that_come_again_are_written_once(tmp_path):
    train(tmp_path, save_every=8)
    path = tmp_path / "metrics.jsonl"
    whole = writers.read_json_lines(path)
    torn = '{"step": 12, "lo'
    with path.open("a") as file:  # what a killed process leaves
        file.writelines(f'{{"step": {step}, "loss": 0.5}}\n' for step in (9, 10, 11))
        file.write(torn)
    train(tmp_path, save_every=8, steps=12)
    rows = writers.read_json_lines(path)
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert rows[:8] == whole
    assert torn not in path.read_text().splitlines()


def test_best_metric_needs_an_evaluation(tmp_path):
    with pytest.raises(errors.InputError, match="measures nothing"):
        train(tmp_path, best_metric="held_out/loss")


def test_run_goes_on_with_its_own_data_only(tmp_path):
    asked = iter([False] * 4 + [True])
    with pytest.raises(errors.Preempted):
        train(tmp_path, loop.Hooks(stop=lambda: next(asked)))
    with pytest.raises(errors.InputError, match=r"x of step 0 was \[8, 4\]"):
        train(tmp_path, batches=linear.RandomBatches(size=16))
    state = train(tmp_path)
    whole = train(tmp_path / "whole")
    jax.tree.map(np.testing.assert_array_equal, state, whole)


def test_a_second_process_is_refused_and_changes_nothing(tmp_path):
    with directory_lock.only_one(tmp_path, "pretrain"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(errors.InputError) as refused:
            train(tmp_path, loop.Hooks(evaluate=figures_of(4)), best_metric="x")
        assert sorted(tmp_path.rglob("*")) == before
    assert str(refused.value) == (
        f"One `musicrl pretrain` may work in {tmp_path}; process {os.getpid()} does. "
        "Wait for it, or choose another directory."
    )
    assert int(train(tmp_path, steps=1, warmup_steps=0).step) == 1


def test_run_that_saved_nothing_may_begin_with_other_data(tmp_path):
    (tmp_path / training.DATA).write_text("{}")
    assert int(train(tmp_path).step) == 8


def test_first_state_is_the_one_that_the_run_makes(tmp_path):
    def begin(state):
        zeros = jax.tree.map(jnp.zeros_like, state.params)
        return dataclasses.replace(state, params=zeros)

    train(tmp_path, begin=begin)
    x, y = linear.RandomBatches().batch(0).values()
    del x
    first = writers.read_json_lines(tmp_path / "metrics.jsonl")[0]
    assert first["loss"] == pytest.approx(np.square(y).mean(), rel=1e-5)

    def refuse(state):
        raise AssertionError("a run that goes on has its state")

    train(tmp_path, begin=refuse, steps=9)


def test_samples_are_written_and_the_last_few_kept(tmp_path):
    train(tmp_path, loop.Hooks(sample=lambda state: SOUND), evaluate_every=1, steps=6)
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == [
        f"{step:07d}-{kind}"
        for step in range(2, 7)
        for kind in ("clip_0_tone.wav", "spectrograms.png")
    ]
