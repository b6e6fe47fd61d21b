"""A resumed learner: its state is what was saved and lies where a fresh one does."""

import jax
import numpy as np
import pytest

from musicrl_jax.checkpoints import manager
from musicrl_jax.core import sharding
from musicrl_jax.evaluation import config as evaluation_config
from musicrl_jax.learning import learner as loops
from musicrl_jax.learning import state as states
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.runs import learner, run_config
from musicrl_jax.transport import keys
from musicrl_jax.transport import store as stores

SIZES = musiclm_config.MusicLMConfig(
    width=16,
    heads=2,
    layers=1,
    depth_width=16,
    depth_heads=2,
    window_frames=8,
    conditioning_tokens=2,
    conditioning_size=8,
)


@pytest.mark.parametrize("axes", [{"data": 1}, {"data": 2, "fsdp": 2}])
def test_a_restored_state_has_the_layout_of_a_fresh_one(tmp_path, axes):
    layout = musiclm_config.make_layout(semantic_size=8, coarse_size=8, coarse_levels=2)
    policy = musiclm.make_policy(SIZES, layout)
    params = policy.init(jax.random.key(0))
    networks = learner.Networks(
        policy=policy,
        value=musiclm.make_value(SIZES, layout),
        policy_params=params,
        value_params=musiclm.value_params_from(params, 0.5),
        centre_value=musiclm.centred_value,
    )
    config = run_config.RunConfig(run_dir=str(tmp_path))
    devices = jax.devices()[: int(np.prod(list(axes.values())))]
    mesh = sharding.make_mesh(sharding.MeshConfig(**axes), devices)
    fresh = states.initial_state(
        networks.policy_params, networks.value_params, config.learner, mesh
    )
    store = manager.CheckpointStore(str(tmp_path), 1)
    store.save(7, states.as_trees(fresh), {loops.OVER_BUDGET: 2})
    store.close()

    restored, saved = learner.restore_or_start(config, networks, mesh)
    assert saved is not None
    assert int(restored.step) == 7
    assert saved.meta == {loops.OVER_BUDGET: 2}
    # Another layout would be another program: the update would be compiled anew.
    for new, old in zip(jax.tree.leaves(restored), jax.tree.leaves(fresh), strict=True):
        assert new.sharding.is_equivalent_to(old.sharding, old.ndim)
        assert new.sharding.mesh == old.sharding.mesh
    jax.tree.map(np.testing.assert_array_equal, restored.policy, fresh.policy)
    jax.tree.map(np.testing.assert_array_equal, restored.value, fresh.value)


@pytest.mark.parametrize("asked", [True, False])
def test_a_run_ends_early_only_where_it_should_and_a_fall_was_seen(tmp_path, asked):
    evaluator = evaluation_config.EvaluatorConfig(stop_on_over_optimisation=asked)
    config = run_config.RunConfig(run_dir=str(tmp_path), evaluator=evaluator)
    store = stores.open_store(str(tmp_path))
    assert not learner.is_over_optimised(config, store)
    store.put_if_absent(keys.OVER_OPTIMISATION, b"{}")
    assert learner.is_over_optimised(config, store) is asked
