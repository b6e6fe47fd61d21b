"""Laws of the supervised loop: exact resume, sharding, schedule, skipped updates."""

import jax
import numpy as np
import pytest

from musicrl_jax.checkpoints import snapshots
from musicrl_jax.core import errors, protocols, writers
from musicrl_jax.pretraining import config as config_lib
from musicrl_jax.pretraining import loop, step
from tests.pretraining import linear
from tests.pretraining.linear import LinearObjective, RandomBatches, config


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(a), jax.device_get(b))


def test_stopped_and_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path):
    straight = writers.MemoryWriter()
    whole = loop.train(LinearObjective(), RandomBatches(), config(), straight)
    asked = iter([False] * 6 + [True])
    hooks = loop.Hooks(stop=lambda: next(asked))
    store = snapshots.TreeSnapshots(tmp_path / "run")
    resumed = writers.MemoryWriter()
    with pytest.raises(errors.Preempted, match="step 7"):
        loop.train(LinearObjective(), RandomBatches(), config(), resumed, store, hooks)
    store.close()
    store = snapshots.TreeSnapshots(tmp_path / "run")
    state = loop.train(LinearObjective(), RandomBatches(), config(), resumed, store)
    store.close()
    equal(whole, state)
    first, second = dict(straight.rows), dict(resumed.rows)
    assert [row[0] for row in resumed.rows] == list(range(1, 13))
    assert all(first[n]["loss"] == second[n]["loss"] for n in first)


def test_killed_run_repeats_from_its_last_checkpoint(tmp_path):
    store = snapshots.TreeSnapshots(tmp_path / "run")

    def fail(state):
        if int(state.step) == 9:
            raise KeyboardInterrupt
        return {}

    hooks = loop.Hooks(evaluate=fail)
    with pytest.raises(KeyboardInterrupt):
        loop.train(
            LinearObjective(),
            RandomBatches(),
            config(evaluate_every=3),
            writers.MemoryWriter(),
            store,
            hooks,
        )
    store.close()
    store = snapshots.TreeSnapshots(tmp_path / "run")
    again = writers.MemoryWriter()
    state = loop.train(LinearObjective(), RandomBatches(), config(), again, store)
    store.close()
    assert again.rows[0][0] == 6
    equal(
        loop.train(
            LinearObjective(), RandomBatches(), config(), writers.MemoryWriter()
        ),
        state,
    )


def test_a_state_is_saved_and_on_disk_before_a_last_evaluation():
    done = []

    class Store(loop.NoSnapshots):
        def save(self, number, state):
            done.append(("save", number))

        def wait(self):
            done.append("wait")

    hooks = loop.Hooks(
        evaluate=lambda state: done.append(("evaluate", int(state.step))) or {},
        stop=lambda: True,
    )
    rows = writers.MemoryWriter()
    settings = config(save_every=1)
    with pytest.raises(errors.Preempted, match="step 1"):
        loop.train(LinearObjective(), RandomBatches(), settings, rows, Store(), hooks)
    assert done == [("save", 1), "wait", ("evaluate", 1)]
    assert "loss" in dict(rows.rows)[1]


@pytest.mark.parametrize(
    "mesh", [{"data": 2}, {"data": 1, "fsdp": 2}, {"data": 2, "fsdp": 2}]
)
def test_sharded_training_equals_one_device(mesh):
    if jax.device_count() < np.prod(list(mesh.values())):
        pytest.skip("needs as many devices")
    one = linear.advance(linear.make_step(LinearObjective(), config()), 4)
    run = linear.make_step(LinearObjective(), config(), **mesh)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        one,
        linear.advance(run, 4),
    )


def test_training_learns_and_average_follows():
    rows = writers.MemoryWriter()
    state = loop.train(
        LinearObjective(noise=0.0), RandomBatches(), config(steps=300), rows
    )
    assert rows.rows[-1][1]["loss"] < 0.02 * rows.rows[0][1]["loss"]
    np.testing.assert_allclose(
        step.trained_params(state)["weight"], state.params["weight"], atol=0.1
    )
    assert not np.array_equal(state.averaged["weight"], state.params["weight"])


def test_non_finite_step_changes_nothing_but_the_count():
    rows = writers.MemoryWriter()
    kwargs = {"objective": LinearObjective(), "config": config(steps=3), "writer": rows}
    broken = loop.train(batches=RandomBatches(broken_at=2), **kwargs)
    state, _ = linear.advance(
        linear.make_step(LinearObjective(), config(steps=3), data=4), 2
    )
    equal((state.params, state.optimizer), (broken.params, broken.optimizer))
    equal(state.statistics, broken.statistics)
    assert int(broken.skipped) == 1
    assert int(broken.step) == 3


def test_schedule_warms_up_to_the_peak_and_ends_at_its_share():
    schedule = config_lib.make_schedule(config(steps=100, warmup_steps=10))
    assert float(schedule(10)) == pytest.approx(0.05)
    assert 0 < float(schedule(0)) < float(schedule(5)) < 0.05
    assert float(schedule(100)) == pytest.approx(0.05 * 0.02)


def test_batch_that_does_not_divide_is_refused():
    if jax.device_count() < 2:
        pytest.skip("needs two devices")
    with pytest.raises(errors.InputError, match="divide over"):
        loop.train(
            LinearObjective(), RandomBatches(size=7), config(), writers.MemoryWriter()
        )


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"learning_rate": 0.0},
        {"average_decay": 1.0},
        {"compute_dtype": "int8"},
        {"accumulate": 0},
        {"best_mode": "least"},
        {"export_best": True},
    ],
)
def test_config_refuses(bad):
    with pytest.raises(errors.InputError, match=f"PretrainConfig.{next(iter(bad))}"):
        config(**bad)


def test_evaluations_samples_and_saves_have_their_own_rhythm():
    saved, heard, offered = [], [], []

    class Store(loop.NoSnapshots):
        def save(self, number, state):
            saved.append(number)

    class Sink(writers.MemoryWriter):
        def write_samples(self, number, samples):
            heard.append((number, *samples.waveforms))

    sound = protocols.Samples(
        waveforms={"clip": np.zeros(4, np.float32)}, sample_rate_hz=16_000
    )
    hooks = loop.Hooks(
        evaluate=lambda state: {"held_out/step": float(state.step)},
        sample=lambda state: sound,
        evaluated=lambda number, state, figures: offered.append((number, figures)),
    )
    rows = Sink()
    settings = config(evaluate_every=4, save_every=6, log_every=100, steps=13)
    loop.train(LinearObjective(), RandomBatches(), settings, rows, Store(), hooks)
    assert saved == [6, 12, 13]
    assert heard == [(4, "clip"), (8, "clip"), (12, "clip"), (13, "clip")]
    assert offered == [(n, {"held_out/step": n}) for n in (4, 8, 12, 13)]
    assert [number for number, _ in rows.rows] == [4, 6, 8, 12, 13]
    assert "held_out/step" not in dict(rows.rows)[6]


def test_rates_count_examples_and_leave_evaluations_out():
    now = [0.0]

    def clock():
        return now[0]

    def evaluate(state):
        now[0] += 100.0
        return {}

    def stop():
        now[0] += 0.5
        return False

    rows = writers.MemoryWriter()
    hooks = loop.Hooks(evaluate=evaluate, stop=stop, clock=clock)
    settings = config(steps=4, evaluate_every=1)
    loop.train(LinearObjective(), RandomBatches(), settings, rows, hooks=hooks)
    assert "time/steps_per_second" not in rows.rows[0][1]
    assert rows.rows[3][1]["time/steps_per_second"] == pytest.approx(2.0)
    assert rows.rows[3][1]["time/examples_per_second"] == pytest.approx(16.0)


def test_longer_run_goes_on_along_the_longer_schedule(tmp_path):
    def run(steps):
        store = snapshots.TreeSnapshots(tmp_path / "run")
        rows = writers.MemoryWriter()
        try:
            loop.train(
                LinearObjective(), RandomBatches(), config(steps=steps), rows, store
            )
        finally:
            store.close()
        return dict(rows.rows)

    run(6)
    assert run(6) == {}
    longer = run(12)
    assert list(longer) == list(range(7, 13))
    schedule = config_lib.make_schedule(config(steps=12))
    for done, row in longer.items():
        assert row["learning_rate"] == pytest.approx(float(schedule(done - 1)))
    with pytest.raises(errors.InputError, match="has done 12 steps already"):
        run(11)
