"""The balancer against its closed form."""

import jax
import jax.numpy as jnp
import numpy as np

from musicrl_jax.pretraining import balancer

balance = jax.jit(balancer.balance, static_argnames="decay")


def gradients(seed, scales=(1.0, 100.0, 0.01)):
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(3, 4, 10)) * np.asarray(scales)[:, None, None]
    return made.astype(np.float32)


def clip_norm(gradient):
    return np.linalg.norm(gradient, axis=-1).mean(axis=-1)


def test_first_step_gives_each_loss_its_share_of_norm_one():
    made = gradients(0)
    weights = np.asarray([1.0, 2.0, 5.0])
    total, _ = balance(balancer.init(3), jnp.asarray(made), jnp.asarray(weights), 0.9)
    unit = made / clip_norm(made)[:, None, None]
    wanted = np.einsum("i,ibn->bn", weights / weights.sum(), unit)
    np.testing.assert_allclose(total, wanted, rtol=1e-5, atol=1e-6)


def test_averages_are_the_unbiased_moving_average_of_norms():
    state, weights = balancer.init(3), jnp.ones(3)
    history = [gradients(seed) * (seed + 1) for seed in range(5)]
    for made in history:
        total, state = balance(state, jnp.asarray(made), weights, 0.8)
    decays = 0.8 ** np.arange(5)[::-1]
    averages = (decays[:, None] * [clip_norm(made) for made in history]).sum(0)
    averages = averages / decays.sum()
    np.testing.assert_allclose(state.sums / state.masses, averages, rtol=1e-5)
    wanted = (history[-1] / averages[:, None, None]).sum(0) / 3
    np.testing.assert_allclose(total, wanted, rtol=1e-4, atol=1e-6)


def test_a_losses_scale_does_not_matter():
    states, totals = [balancer.init(3), balancer.init(3)], []
    for seed in range(3):
        for i, scale in enumerate((1.0, 1e3)):
            made = gradients(seed) * np.asarray([scale, 1.0, 1.0])[:, None, None]
            total, states[i] = balance(
                states[i], jnp.asarray(made, jnp.float32), jnp.ones(3), 0.9
            )
            totals.append(total)
    np.testing.assert_allclose(totals[-2], totals[-1], rtol=1e-4, atol=1e-6)


def test_losses_without_weight_take_no_part():
    made = jnp.asarray(gradients(1))
    weights = jnp.asarray([1.0, 0.0, 1.0])
    total, state = balance(balancer.init(3), made, weights, 0.9)
    alone, _ = balance(balancer.init(2), made[::2], jnp.ones(2), 0.9)
    np.testing.assert_allclose(total, alone, rtol=1e-6)
    np.testing.assert_array_equal(state.masses, [1, 0, 1])


def test_no_gradient_is_no_gradient():
    total, _ = balance(balancer.init(2), jnp.zeros((2, 3, 4)), jnp.ones(2), 0.9)
    np.testing.assert_array_equal(total, 0.0)
