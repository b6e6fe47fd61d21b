"""The update as a machine: what moves, what stays, what is counted."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.learning import config as configs
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates
from tests.oracles import exact, tabular

CONFIG = configs.LearnerConfig(batch_clips=12, kl_weight=0.1, chunk_frames=1)


def setup(config=CONFIG):
    """An update, its first state, and a batch of every clip of a small tree."""
    problem = exact.Problem(tree=tabular.make_tree((3, 2), 1, 2), config=config)
    value = tabular.TabularValue(tree=problem.tree)
    update = updates.Update(policy=problem.policy, value=value, config=config)
    state = states.initial_state(problem.reference(), value.init(mean=0.5), config)
    batch = problem.batch(problem.token_log_probs(problem.reference()))
    return update, state, batch


@pytest.fixture(scope="module")
def compiled():
    """One compiled update for all tests that need no other numbers."""
    return setup()[0]


def moved(before, after):
    """Which fields of the state changed."""
    return {
        field.name
        for field in dataclasses.fields(before)
        for old, new in [(getattr(before, field.name), getattr(after, field.name))]
        if not all(
            np.array_equal(a, b, equal_nan=True)
            for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True)
        )
    }


def test_an_update_moves_all_but_the_reference(compiled):
    _, state, batch = setup()
    before = jax.device_get(state)
    after, metrics = compiled(state, batch)
    assert moved(before, after) == {
        "policy", "value", "policy_optimizer", "value_optimizer", "step",
    }  # fmt: skip
    assert int(after.step) == 1
    assert float(metrics["kl/sequence"]) == pytest.approx(0.0, abs=1e-6)
    assert float(metrics["importance/mean"]) == pytest.approx(1.0, abs=1e-5)
    assert float(metrics["reward/mean"]) == pytest.approx(
        float(jnp.mean(batch.rewards))
    )


def test_warm_up_moves_the_value_alone_towards_the_reward(compiled):
    _, state, batch = setup()
    before = jax.device_get(state)
    explained = []
    for _ in range(30):
        state, metrics = compiled.warm_up(state, batch)
        explained.append(float(metrics["baseline/explained_variance"]))
    assert moved(before, state) == {"value", "value_optimizer", "step"}
    assert explained[-1] > explained[0]


@pytest.mark.parametrize("field", ["rewards", "log_probs"])
def test_a_batch_that_is_not_finite_moves_nothing_and_is_counted(compiled, field):
    _, state, batch = setup()
    before = jax.device_get(state)
    poisoned = getattr(batch, field).at[0].set(jnp.nan)
    after, metrics = compiled(state, dataclasses.replace(batch, **{field: poisoned}))
    assert moved(before, after) == {"step", "skipped"}
    assert float(metrics["update/skipped"]) == 1.0
    again, metrics = compiled(after, batch)
    assert int(again.skipped) == 1
    assert int(again.step) == 2
    assert np.all(np.isfinite(again.policy["head"]))


def test_the_values_gradient_is_that_of_its_own_loss(compiled):
    _, state, batch = setup()
    nodes = compiled.policy.tree.nodes(batch.tokens)[:, 0]
    expected = np.zeros((2, compiled.policy.tree.num_nodes))
    for clip, reward in enumerate(np.asarray(batch.rewards)):
        for node in np.asarray(nodes[clip]):
            context = int(batch.conditioning[clip, 0])
            expected[context, node] += 2 * (0.5 - reward) / len(batch.rewards)
    _, metrics = compiled(state, batch)
    norm = float(metrics["gradient_norm/value"])
    assert norm == pytest.approx(np.linalg.norm(expected), rel=1e-5)


def test_leave_one_out_trains_no_value():
    update, state, batch = setup(
        dataclasses.replace(CONFIG, baseline="leave_one_out", value_warmup_steps=0)
    )
    before = jax.device_get(state)
    after, metrics = update(state, batch)
    assert "value" not in moved(before, after)
    assert "policy" in moved(before, after)
    # Each clip's baseline leaves its own reward out, so the mean is the rewards' mean.
    assert float(metrics["advantage/mean"]) == pytest.approx(0.0, abs=1e-6)


def test_a_returned_state_shares_no_buffer_with_the_given_trees(compiled):
    params = {"head": jnp.ones((2, 3, 3)), "trunk": jnp.ones((2, 3, 3))}
    update, _, batch = setup()
    value = update.value.init()
    state = states.initial_state(params, value, CONFIG)
    compiled(state, batch)
    np.testing.assert_array_equal(params["head"], 1.0)
    np.testing.assert_array_equal(value["table"], 0.0)


def test_mismatch_and_lag_are_told_apart(compiled):
    _, state, batch = setup()
    lags = jnp.asarray([0, 3] * 6)
    shift = jnp.where(lags > 0, 0.5, 0.01)[:, None, None]
    behaviour = batch.log_probs - shift
    _, metrics = compiled(
        state, dataclasses.replace(batch, log_probs=behaviour, lags=lags)
    )
    same, older = (
        float(metrics[f"importance/mismatch_{age}_version"])
        for age in ("same", "older")
    )
    assert same == pytest.approx(0.01, abs=1e-5)
    assert older == pytest.approx(0.5, abs=1e-5)
    assert float(metrics["lag/max"]) == 3
    assert float(metrics["lag/mean"]) == 1.5


def test_clipped_share_counts_weights_at_the_cap(compiled):
    _, state, batch = setup()
    shift = jnp.zeros(batch.tokens.shape).at[:3].set(1.0)
    _, metrics = compiled(
        state, dataclasses.replace(batch, log_probs=batch.log_probs - shift)
    )
    assert float(metrics["importance/clipped_share"]) == pytest.approx(0.25)
