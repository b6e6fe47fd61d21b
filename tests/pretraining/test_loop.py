"""Laws of the supervised loop: exact resume, sharding, schedule, skipped updates."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.checkpoints import snapshots
from musicrl_jax.core import errors, sharding, writers
from musicrl_jax.pretraining import config as config_lib
from musicrl_jax.pretraining import loop, step

WIDTH = 4


@dataclasses.dataclass(frozen=True)
class LinearObjective:
    """Least squares with a noisy loss and a running mean as statistics."""

    noise: float = 0.1

    def init(self, key):
        weight = jax.random.normal(key, (WIDTH, WIDTH))
        return {"weight": weight}, {"mean": jnp.zeros((WIDTH,))}

    def loss(self, params, statistics, batch, key):
        jitter = self.noise * jax.random.normal(key, (WIDTH,))
        error = batch["x"] @ params["weight"] + jitter[None, :] - batch["y"]
        mean = 0.9 * statistics["mean"] + 0.1 * batch["x"].mean(0)
        loss = jnp.mean(jnp.square(error))
        return loss, ({"mean": mean}, {"loss/error": loss})


@dataclasses.dataclass(frozen=True)
class RandomBatches:
    """Rows of a fixed linear map, drawn anew at each step."""

    size: int = 8
    broken_at: int = -1

    def batch(self, number):
        x = np.random.default_rng(number).normal(size=(self.size, WIDTH))
        y = x @ np.arange(WIDTH * WIDTH).reshape(WIDTH, WIDTH) / 10
        if number == self.broken_at:
            y = y * np.nan
        return {"x": x.astype(np.float32), "y": y.astype(np.float32)}


def config(**changes):
    defaults = {
        "steps": 12,
        "learning_rate": 0.05,
        "warmup_steps": 3,
        "average_decay": 0.9,
        "log_every": 1,
        "save_every": 5,
    }
    return config_lib.PretrainConfig(**(defaults | changes))


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
        if int(state.step) == 10:
            raise KeyboardInterrupt
        return {}

    hooks = loop.Hooks(evaluate=fail)
    with pytest.raises(KeyboardInterrupt):
        loop.train(
            LinearObjective(),
            RandomBatches(),
            config(),
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


@pytest.mark.parametrize("mesh", [{"data": 2}, {"data": 1, "fsdp": 2}])
def test_sharded_training_equals_one_device(mesh):
    if jax.device_count() < 2:
        pytest.skip("needs two devices")
    root = jax.random.key(0)
    states = []
    for axes in ({"data": 1}, mesh):
        devices = jax.devices()[: int(np.prod(list(axes.values())))]
        run = step.PretrainStep(
            objective=LinearObjective(),
            config=config(),
            mesh=sharding.make_mesh(sharding.MeshConfig(**axes), devices),
        )
        state = run.init(root)
        for number in range(4):
            batch = jax.device_put(
                RandomBatches().batch(number), sharding.batch_sharding(run.mesh)
            )
            state, scalars = run(state, batch, root)
        states.append(jax.device_get((state, dict(scalars))))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), *states
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
    root = jax.random.key(0)
    run = step.PretrainStep(
        objective=LinearObjective(),
        config=config(steps=3),
        mesh=sharding.make_mesh(sharding.MeshConfig()),
    )
    state = run.init(root)
    for number in range(2):
        batch = jax.device_put(
            RandomBatches().batch(number), sharding.batch_sharding(run.mesh)
        )
        state, _ = run(state, batch, root)
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
    ],
)
def test_config_refuses(bad):
    with pytest.raises(errors.InputError, match=f"PretrainConfig.{next(iter(bad))}"):
        config(**bad)
