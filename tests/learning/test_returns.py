"""Returns and baselines against loops and closed forms."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicrl_jax.learning import returns


@given(st.integers(0, 2**32 - 1))
def test_kl_to_come_is_the_sum_behind_each_token(seed):
    rng = np.random.default_rng(seed)
    kl, after = rng.random((2, 3, 2), np.float32), rng.random(2, np.float32)
    result = np.asarray(returns.kl_to_come(jnp.asarray(kl), jnp.asarray(after)))
    flat = kl.reshape(2, -1)
    for clip in range(2):
        for token in range(6):
            expected = flat[clip, token + 1 :].sum() + after[clip]
            assert abs(result.reshape(2, -1)[clip, token] - expected) < 1e-5


def test_return_charges_kl_in_units_of_the_reward():
    result = returns.returns_to_go(jnp.asarray([2.0]), jnp.full((1, 1, 2), 3.0), 0.25)
    # (1 - a) * G must be (1 - a) R - a KL.
    np.testing.assert_allclose(0.75 * result, 0.75 * 2.0 - 0.25 * 3.0)


def test_leave_one_out_is_the_mean_of_the_others_of_the_prompt():
    rewards = jnp.asarray([1.0, 2.0, 6.0, 10.0, 20.0])
    conditioning = jnp.asarray([[0, 1], [0, 1], [0, 1], [3, 1], [3, 1]])
    np.testing.assert_allclose(
        returns.leave_one_out(rewards, conditioning), [4.0, 3.5, 1.5, 20.0, 10.0]
    )


def test_a_lone_clip_is_held_against_all_others_and_never_itself():
    rewards = jnp.asarray([1.0, 2.0, 60.0])
    conditioning = jnp.asarray([[0], [0], [1]])
    np.testing.assert_allclose(
        returns.leave_one_out(rewards, conditioning), [2.0, 1.0, 1.5]
    )
    np.testing.assert_allclose(returns.leave_one_out(rewards[:1], conditioning[:1]), 0)


def test_explained_variance_of_perfect_constant_and_reversed_values():
    target = jnp.asarray([1.0, -1.0, 3.0, -3.0])[:, None, None]
    assert float(returns.explained_variance(target, target)) == 1.0
    assert abs(float(returns.explained_variance(0 * target + 9, target))) < 1e-6
    assert float(returns.explained_variance(-target, target)) == -3.0
    assert float(returns.explained_variance(target, 0 * target)) == 0.0
