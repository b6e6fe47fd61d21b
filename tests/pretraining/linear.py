"""A network small enough to be followed by hand: least squares on random rows."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.core import sharding
from musicrl_jax.pretraining import config as config_lib
from musicrl_jax.pretraining import step

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


def make_step(objective, settings, **axes):
    """Returns the compiled step of `objective` on a mesh such as data=2, fsdp=2."""
    devices = jax.devices()[: int(np.prod(list(axes.values())))]
    mesh = sharding.make_mesh(sharding.MeshConfig(**({"data": 1} | axes)), devices)
    return step.PretrainStep(objective=objective, config=settings, mesh=mesh)


def advance(run, steps, batches=RandomBatches()):
    """Returns the state after a few steps and the last step's scalars, on the host."""
    root = jax.random.key(0)
    state, scalars = run.init(root), {}
    for number in range(steps):
        place = sharding.batch_sharding(run.mesh)
        batch = jax.device_put(batches.batch(number), place)
        state, scalars = run(state, batch, root)
    return jax.device_get((state, dict(scalars)))
