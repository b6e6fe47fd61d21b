"""The rates of the optimizers."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from musicrl_jax.learning import config as configs
from musicrl_jax.learning import optimizers

CONFIG: dict[str, Any] = {
    "steps": 20,
    "value_warmup_steps": 0,
    "learning_rate_warmup_steps": 4,
    "learning_rate_end_share": 0.5,
    "policy_learning_rate": 0.1,
}


def rates(config):
    """Returns the rate of each update: a constant gradient makes Adam show it."""
    optimizer = optimizers.policy_optimizer(config)
    params = {"x": jnp.zeros(1)}
    state = optimizer.init(params)
    found = []
    for _ in range(config.steps):
        moved, state = optimizers.step(optimizer, {"x": jnp.ones(1)}, params, state)
        found.append(-float(moved["x"][0]))
    return found


def test_rate_rises_to_its_peak_and_falls_to_its_end_share():
    found = rates(configs.LearnerConfig(**CONFIG))
    np.testing.assert_allclose(found[:5], [0.02, 0.04, 0.06, 0.08, 0.1], rtol=1e-4)
    assert np.all(np.diff(found[4:]) < 0)
    np.testing.assert_allclose(found[-1], 0.053125, rtol=1e-3)


def test_rate_stays_at_its_peak_until_the_decay():
    found = rates(configs.LearnerConfig(**CONFIG, learning_rate_decay_steps=5))
    np.testing.assert_allclose(found[4:16], 0.1, rtol=1e-4)
    np.testing.assert_allclose(found[16:], [0.09, 0.08, 0.07, 0.06], rtol=1e-4)
