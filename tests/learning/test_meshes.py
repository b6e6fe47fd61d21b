"""One update of MusicLM is the same on every mesh and in any number of parts."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import layout, rng, sharding, trajectory
from musicrl_jax.learning import config as learning_config
from musicrl_jax.learning import state as states
from musicrl_jax.learning import update as updates
from musicrl_jax.models.musiclm import adapter
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.sampling import choices, loop

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=12),
        layout.Stream(name="coarse", codebook_size=8, levels=2),
    )
)
SIZES = configs.MusicLMConfig(
    width=16,
    heads=4,
    layers=2,
    depth_width=16,
    depth_heads=4,
    window_frames=6,
    conditioning_tokens=3,
    conditioning_size=8,
    scan_layers=True,
    remat=True,
)
# With b1 = 0 Adam's first moments are the gradients.
CONFIG = learning_config.LearnerConfig(
    batch_clips=8, chunk_frames=4, max_grad_norm=1e9, adam_b1=0.0
)
FRAMES = 8
MESHES = [
    {"data": 2},
    {"fsdp": 2},
    {"data": 4},
    {"data": 2, "fsdp": 2},
    {"fsdp": 2, "tensor": 2},
    {"data": 2, "tensor": 2},
]


def make_mesh(**axes):
    sizes = {"data": 1} | axes
    count = int(np.prod(list(sizes.values())))
    return sharding.make_mesh(sharding.MeshConfig(**sizes), jax.devices()[:count])


@functools.cache
def params():
    first = jax.jit(adapter.make_policy(SIZES, LAYOUT).init)(jax.random.key(0))
    return jax.tree.map(lambda x: 2.0 * x, first)


def batch():
    keys = jax.random.split(jax.random.key(1), 3)
    return trajectory.TrajectoryBatch(
        tokens=jax.random.randint(keys[0], (8, FRAMES, 3), 0, 8),
        conditioning=jax.random.randint(keys[1], (8, 3), 0, 8),
        log_probs=jnp.full((8, FRAMES, 3), -2.0),
        rewards=jax.random.normal(keys[2], (8,)),
    )


def gradients(mesh, parts=1):
    policy = adapter.make_policy(SIZES, LAYOUT)
    value = adapter.make_value(SIZES, LAYOUT)
    config = dataclasses.replace(CONFIG, microbatches=parts)
    start = states.initial_state(
        params(), adapter.value_params_from(params(), 0.1), config
    )
    # A reference that is not the policy, so that the KL has a gradient.
    moved = jax.tree.map(lambda x: 0.9 * x, params())
    start = dataclasses.replace(start, reference=moved)
    clips = batch()
    if mesh is not None:
        start = states.shard_state(start, mesh)
        clips = jax.device_put(clips, sharding.batch_sharding(mesh))
    update = updates.Update(policy=policy, value=value, config=config, mesh=mesh)
    state, metrics = update(start, clips)
    moments = (state.policy_optimizer[1][0].mu, state.value_optimizer[1][0].mu)
    return jax.device_get((moments, metrics))


@functools.cache
def plain():
    return gradients(None)


def assert_same(found):
    (moments, numbers), (wanted, plain_numbers) = found, plain()
    for one, other in zip(
        jax.tree.leaves(moments), jax.tree.leaves(wanted), strict=True
    ):
        scale = np.max(np.abs(other)) + 1e-6
        np.testing.assert_allclose(one / scale, other / scale, atol=1e-5)
    # Some metrics are zero but for rounding, such as the mean advantage.
    for name, number in numbers.items():
        np.testing.assert_allclose(number, plain_numbers[name], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("axes", MESHES, ids=str)
def test_meshes_agree(axes):
    assert_same(gradients(make_mesh(**axes)))


@pytest.mark.slow
@pytest.mark.parametrize("parts", [2, 4])
def test_parts_agree_on_a_mesh(parts):
    assert_same(gradients(make_mesh(fsdp=2), parts))


@pytest.mark.slow
@pytest.mark.parametrize("axes", MESHES[3:], ids=str)
def test_sampling_is_teacher_forcing_on_each(axes):
    mesh = make_mesh(**axes)
    policy = adapter.make_policy(SIZES, LAYOUT)
    tree = jax.device_put(params(), sharding.tree_shardings(params(), mesh))
    lay = sharding.batch_sharding(mesh)
    given = jax.device_put(batch().conditioning, lay)
    keys = jax.device_put(rng.clip_keys(jax.random.key(2), "sample", 0, 8), lay)
    with sharding.on(mesh):
        clips = loop.sample(policy, tree, given, keys, FRAMES, 0.9)
    alone = loop.sample(
        policy, params(), batch().conditioning, jax.device_get(keys), FRAMES, 0.9
    )
    np.testing.assert_array_equal(clips.tokens, alone.tokens)
    read = policy.frame_states(params(), alone.tokens, batch().conditioning)
    logits = policy.token_logits(params(), read, alone.tokens)
    forced = jnp.take_along_axis(
        choices.log_policy(logits, 0.9), alone.tokens[..., None], -1
    )
    np.testing.assert_allclose(clips.log_probs, forced[..., 0], atol=1e-4)


def test_parameters_of_a_layer_are_cut_as_the_rules_say():
    mesh = make_mesh(fsdp=2, tensor=2)
    tree = sharding.tree_shardings(params(), mesh)
    block = tree["temporal"]["stack"]["layers"]
    specs = {
        "project_in": block["attention"]["project_in"]["kernel"].spec,
        "project_out": block["attention"]["project_out"]["kernel"].spec,
        "expand": block["mlp"]["expand"]["kernel"].spec,
        "contract": block["mlp"]["contract"]["kernel"].spec,
    }
    rows = ("fsdp", "tensor")
    assert {name: tuple(spec) for name, spec in specs.items()} == {
        "project_in": (None, rows, None),
        "project_out": (None, "tensor", "fsdp"),
        "expand": (None, "fsdp", "tensor"),
        "contract": (None, "tensor", "fsdp"),
    }
    assert tuple(tree["heads"].spec) == (None, rows, None)
