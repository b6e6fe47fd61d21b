"""The rates of the optimizers."""

import jax.numpy as jnp
import numpy as np

from musicrl_jax.learning import config as configs
from musicrl_jax.learning import optimizers


def test_rate_rises_to_its_peak_and_falls_to_its_end_share():
    config = configs.LearnerConfig(
        steps=20,
        value_warmup_steps=0,
        learning_rate_warmup_steps=4,
        learning_rate_end_share=0.5,
        policy_learning_rate=0.1,
    )
    optimizer = optimizers.policy_optimizer(config)
    params = {"x": jnp.zeros(1)}
    state = optimizer.init(params)
    rates = []
    for _ in range(20):
        # A constant gradient makes each of Adam's steps as long as the rate.
        moved, state = optimizers.step(optimizer, {"x": jnp.ones(1)}, params, state)
        rates.append(-float(moved["x"][0]))
    np.testing.assert_allclose(rates[:5], [0.02, 0.04, 0.06, 0.08, 0.1], rtol=1e-4)
    assert np.all(np.diff(rates[4:]) < 0)
    np.testing.assert_allclose(rates[-1], 0.053125, rtol=1e-3)
