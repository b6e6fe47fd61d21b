"""Laws of the adversarial step: exact resume, sharding, start of the game, guards."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.checkpoints import snapshots
from musicrl_jax.core import errors, rng, sharding, writers
from musicrl_jax.pretraining import adversarial, adversarial_config, loop, objective
from musicrl_jax.pretraining import config as config_lib

WIDTH = 6


@dataclasses.dataclass(frozen=True)
class GainObjective:
    """A generator that scales its input; the discriminator is a linear map."""

    penalty: float = 0.1
    adversarial: float = 1.0

    @property
    def weights(self):
        return {"distance": 1.0, "adversarial": self.adversarial}

    def init(self, key):
        gain = {"gain": 0.1 * jax.random.normal(key, (WIDTH, WIDTH))}
        judge = {"w": 0.1 * jax.random.normal(key, (WIDTH, 1))}
        return gain, judge, {"mean": jnp.zeros(())}

    def reconstruct(self, params, statistics, batch, key):
        noise = 0.01 * jax.random.normal(key, batch["waveform"].shape)
        output = (batch["waveform"] + noise) @ params["gain"]
        penalty = self.penalty * jnp.mean(jnp.square(params["gain"]))
        mean = 0.9 * statistics["mean"] + 0.1 * jnp.mean(output)
        return (output, penalty), ({"mean": mean}, {"loss/penalty": penalty})

    def distances(self, output, batch):
        return {"distance": jnp.mean(jnp.abs(output - batch["waveform"]))}

    def judge(self, discriminator, output, batch):
        power = (jnp.square(x) for x in (batch["waveform"], output))
        real, fake = (x @ discriminator["w"] for x in power)
        loss = jnp.mean(jax.nn.relu(1 - real)) + jnp.mean(jax.nn.relu(1 + fake))
        return loss, {"adversarial": jnp.mean(jax.nn.relu(1 - fake))}


@dataclasses.dataclass(frozen=True)
class RandomBatches:
    broken_at: int = -1

    def batch(self, number):
        x = np.random.default_rng(number).normal(size=(8, WIDTH)).astype(np.float32)
        return {"waveform": x * np.nan if number == self.broken_at else x}


def make_step(devices=None, game=None, objective=None, **changes):
    defaults = {"steps": 12, "learning_rate": 0.05, "warmup_steps": 2}
    defaults |= {"average_decay": 0.9, "log_every": 1, "save_every": 5}
    config = config_lib.PretrainConfig(**(defaults | changes))
    return adversarial.AdversarialStep(
        objective=objective or GainObjective(),
        config=config,
        adversarial=adversarial_config.AdversarialConfig(**(game or {})),
        mesh=sharding.make_mesh(config.mesh, devices),
    )


def train(step, batches=None, store=None, hooks=None):
    rows = writers.MemoryWriter()
    batches = batches or RandomBatches()
    state = loop.train_with(step, batches, step.config, rows, store, hooks)
    return state, [row for _, row in rows.rows]


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(a), jax.device_get(b))


def test_it_is_a_training_step():
    assert isinstance(make_step(), objective.TrainingStep)


def test_stopped_and_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path):
    step = make_step(game={"discriminator_start": 4})
    whole, rows = train(step)
    asked = iter([False] * 6 + [True])
    store = snapshots.TreeSnapshots(tmp_path / "run")
    with pytest.raises(errors.Preempted, match="step 7"):
        train(step, store=store, hooks=loop.Hooks(stop=lambda: next(asked)))
    store.close()
    store = snapshots.TreeSnapshots(tmp_path / "run")
    resumed, later = train(step, store=store)
    store.close()
    equal(whole, resumed)
    kept = [{k: v for k, v in row.items() if k[:4] != "time"} for row in rows[7:]]
    again = [{k: v for k, v in row.items() if k[:4] != "time"} for row in later]
    assert kept == again


@pytest.mark.parametrize("mesh", [{"data": 2}, {"data": 1, "fsdp": 2}])
def test_sharded_training_equals_one_device(mesh):
    if jax.device_count() < 2:
        pytest.skip("needs two devices")
    states = []
    for axes in ({"data": 1}, mesh):
        devices = jax.devices()[: int(np.prod(list(axes.values())))]
        step = make_step(devices, mesh=sharding.MeshConfig(**axes))
        root = jax.random.key(0)
        state = step.init(root)
        for number in range(4):
            place = sharding.batch_sharding(step.mesh)
            batch = jax.device_put(RandomBatches().batch(number), place)
            state, scalars = step(state, batch, root)
        states.append(jax.device_get((state, dict(scalars))))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *states
    )


def test_discriminators_sleep_until_their_start():
    asleep, rows = train(make_step(steps=4, game={"discriminator_start": 4}))
    begin = make_step(steps=4).init(jax.random.key(0))
    equal(asleep.discriminator, begin.discriminator)
    assert all(row["loss/discriminator"] == 0 for row in rows)
    without = GainObjective(adversarial=0.0)
    equal(asleep.params, train(make_step(steps=4, objective=without))[0].params)
    awake, rows = train(make_step(steps=4, game={"discriminator_start": 3}))
    assert rows[-1]["loss/discriminator"] > 0
    assert np.abs(awake.discriminator["w"] - begin.discriminator["w"]).max() > 0


def test_gradient_is_the_balanced_one_and_the_penaltys():
    step = make_step(weight_decay=0.0, game={"gradient_scale": 2.0})
    root = jax.random.key(0)
    state = jax.device_get(step.init(root))
    batch = {"waveform": jnp.asarray(RandomBatches().batch(0)["waveform"])}
    _, scalars = step(step.init(root), batch, root)
    key = rng.stream(root, "loss", 0)
    (output, _), _ = step.objective.reconstruct(
        state.params, state.statistics, batch, key
    )
    slopes = [
        jax.grad(lambda y: step.objective.distances(y, batch)["distance"])(output),
        jax.grad(
            lambda y: step.objective.judge(state.discriminator, y, batch)[1][
                "adversarial"
            ]
        )(output),
    ]
    mixed = sum(
        g / jnp.mean(jnp.linalg.norm(g, axis=-1)) for g in slopes
    )  # two equal shares of a scale of 2
    noisy = batch["waveform"] + 0.01 * jax.random.normal(key, output.shape)
    gain = state.params["gain"]
    wanted = noisy.T @ mixed + 0.1 * 2 * gain / gain.size
    np.testing.assert_allclose(
        scalars["gradient/norm"], jnp.linalg.norm(wanted), rtol=1e-4
    )


def test_both_sides_learn():
    _, rows = train(make_step(steps=200, objective=GainObjective(adversarial=0.1)))
    assert rows[-1]["loss/distance"] < 0.3 * rows[0]["loss/distance"]
    game = {"discriminator_learning_rate": 0.05}
    _, still = train(make_step(steps=60, learning_rate=1e-9, game=game))
    assert still[-1]["loss/discriminator"] < 0.7 * still[0]["loss/discriminator"]


def test_non_finite_step_changes_nothing_but_the_count():
    broken, _ = train(make_step(steps=3), RandomBatches(broken_at=2))
    step, root = make_step(steps=3), jax.random.key(0)
    state = step.init(root)
    for number in range(2):
        place = sharding.batch_sharding(step.mesh)
        batch = jax.device_put(RandomBatches().batch(number), place)
        state, _ = step(state, batch, root)
    assert int(broken.skipped) == 1
    assert int(broken.step) == 3
    same = {"step": broken.step, "skipped": broken.skipped}
    equal(dataclasses.replace(state, **same), broken)


@pytest.mark.parametrize(
    "bad", [{"beta1": 1.0}, {"discriminator_start": -1}, {"gradient_scale": 0.0}]
)
def test_config_refuses(bad):
    with pytest.raises(errors.InputError, match=f"AdversarialConfig.{next(iter(bad))}"):
        adversarial_config.AdversarialConfig(**bad)
