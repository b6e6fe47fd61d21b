"""O5: any V(s) leaves the expected gradient alone; a V that saw the action does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.learning import config as configs
from tests.oracles import exact, tabular


@pytest.fixture
def problem():
    return exact.Problem(
        tree=tabular.make_tree((3, 2), 2), config=configs.LearnerConfig(kl_weight=0.2)
    )


def differences(problem, baselines):
    """Largest change of the expected gradient when each baseline replaces 0."""
    reference, params = problem.reference(), problem.policy.init(jax.random.key(1))

    def gradient(baseline):
        return exact.expected_gradient(problem, params, reference, baseline)

    every = jnp.stack([jnp.zeros_like(baselines[0]), *baselines])
    gradients = jax.vmap(gradient)(every)
    gaps = [
        jnp.max(jnp.abs(leaf[1:] - leaf[:1]), axis=(1, 2, 3))
        for leaf in jax.tree.leaves(gradients)
    ]
    return jnp.max(jnp.stack(gaps), axis=0)


def test_values_of_states_change_nothing(float64, problem):
    value = tabular.TabularValue(tree=problem.tree)
    baselines = [
        value.values(value.init(key), problem.tokens(), problem.conditioning())
        for key in jax.random.split(jax.random.key(2), 3)
    ]
    assert float(jnp.std(jnp.stack(baselines))) > 0.5
    assert float(jnp.max(differences(problem, baselines))) < 1e-12


def test_values_of_actions_bias_the_gradient(float64, problem):
    baseline = np.zeros(problem.tokens().shape)
    baseline[..., 0] = problem.tokens()[..., 0]
    assert float(differences(problem, [jnp.asarray(baseline)])[0]) > 1e-2
