"""O9: a batch's gradient is the same in one piece, in parts, and over any mesh."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import sharding
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates
from tests.oracles import exact, tabular

CONFIG = configs.LearnerConfig(
    batch_clips=8, kl_weight=0.3, chunk_frames=1, max_grad_norm=1e9, adam_b1=0.0
)


def gradients_and_metrics(config, mesh=None):
    """Adam's first moments (with b1 = 0 the gradients themselves) and the metrics."""
    problem = exact.Problem(tree=tabular.make_tree((3, 2), 2, 2), config=config)
    value = tabular.TabularValue(tree=problem.tree)
    every = problem.batch(problem.token_log_probs(problem.reference()) - 0.1)
    chosen = np.random.default_rng(0).choice(72, size=8, replace=False)
    batch = jax.tree.map(lambda x: x[chosen], every)
    start = states.initial_state(
        problem.policy.init(jax.random.key(1)),
        value.init(jax.random.key(2)),
        config,
        mesh,
    )
    # A reference that is not the policy, so that the KL has a gradient.
    reference = jax.tree.map(jnp.copy, problem.reference())
    start = dataclasses.replace(start, reference=reference)
    if mesh is not None:
        start = states.shard_state(start, mesh)
        batch = jax.device_put(batch, sharding.batch_sharding(mesh))
    update = updates.Update(
        policy=problem.policy, value=value, config=config, mesh=mesh
    )
    state, metrics = update(start, batch)
    if mesh is not None and mesh.shape["fsdp"] > 1:
        assert not state.policy["head"].sharding.is_fully_replicated
    moments = (state.policy_optimizer[1][0].mu, state.value_optimizer[1][0].mu)
    return jax.device_get((moments, metrics))


def assert_same(left, right):
    for one, other in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        scale = np.max(np.abs(one)) + 1e-6
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-5)


@pytest.fixture(scope="module")
def whole():
    result = gradients_and_metrics(CONFIG)
    norms = [float(np.linalg.norm(x)) for x in jax.tree.leaves(result[0])]
    assert min(norms) > 1e-2
    return result


def test_parts_add_up(whole):
    config = dataclasses.replace(CONFIG, microbatches=4)
    assert_same(gradients_and_metrics(config), whole)


@pytest.mark.parametrize(("data", "fsdp", "parts"), [(1, 1, 1), (2, 2, 1), (4, 1, 2)])
def test_meshes_agree(whole, data, fsdp, parts):
    devices = jax.devices()[: data * fsdp]
    mesh = sharding.make_mesh(sharding.MeshConfig(data=data, fsdp=fsdp), devices)
    config = dataclasses.replace(CONFIG, microbatches=parts)
    assert_same(gradients_and_metrics(config, mesh), whole)
