"""O8: log-probabilities of step-by-step sampling equal teacher-forced ones."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import layout, rng, sharding, trajectory
from musicrl_jax.models.musiclm import adapter
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.sampling import choices, loop

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=11),
        layout.Stream(name="coarse", codebook_size=9, levels=2, steps_per_frame=2),
    )
)
CONFIG = configs.MusicLMConfig(
    width=16,
    heads=2,
    layers=2,
    depth_width=16,
    depth_heads=2,
    window_frames=6,
    conditioning_tokens=3,
    conditioning_size=8,
)
FRAMES, TEMPERATURE = 15, 0.8


def _params(policy: adapter.MusicLMPolicy, scale: float = 3.0) -> dict:
    # Large weights, so that a mistake in any of them shows.
    return jax.tree.map(lambda x: scale * x, jax.jit(policy.init)(jax.random.key(0)))


def _conditioning(batch: int) -> jax.Array:
    return jax.random.randint(jax.random.key(1), (batch, 3), 0, 8)


@functools.partial(jax.jit, static_argnums=0)
def _teacher_forced(
    policy: adapter.MusicLMPolicy,
    params: dict,
    clips: trajectory.Generation,
    conditioning: jax.Array,
    temperature: float = TEMPERATURE,
) -> jax.Array:
    states = policy.frame_states(params, clips.tokens, conditioning)
    logits = policy.token_logits(params, states, clips.tokens)
    log_probs = choices.log_policy(logits, temperature)
    return jnp.take_along_axis(log_probs, clips.tokens[..., None], -1)[..., 0]


def _keys(batch: int) -> jax.Array:
    return rng.clip_keys(jax.random.key(2), "sample", 0, batch)


@pytest.mark.parametrize(
    ("batch", "changes"),
    [
        (1, {}),
        (4, {"attention": "xla"}),
        (4, {"scan_layers": True, "remat": True}),
        (2, {"window_frames": 100}),
    ],
)
def test_sampling_agrees_with_teacher_forcing(batch: int, changes: dict) -> None:
    config = dataclasses.replace(CONFIG, **changes)
    policy = adapter.make_policy(config, LAYOUT)
    params, conditioning = _params(policy), _conditioning(batch)
    clips = loop.sample(policy, params, conditioning, _keys(batch), FRAMES, TEMPERATURE)
    forced = _teacher_forced(policy, params, clips, conditioning)
    np.testing.assert_allclose(clips.log_probs, forced, atol=1e-4)
    # The comparison can fail: another temperature is far outside the tolerance.
    other = _teacher_forced(policy, params, clips, conditioning, 1.0)
    assert float(jnp.abs(other - clips.log_probs).max()) > 1e-2
    assert bool((clips.tokens < jnp.asarray(LAYOUT.codebook_sizes)[None, None]).all())


@pytest.mark.parametrize("mesh", [(4, 1), (2, 2)])
def test_the_mesh_does_not_change_a_clip(mesh: tuple[int, int]) -> None:
    policy = adapter.make_policy(CONFIG, LAYOUT)
    params, conditioning, keys = _params(policy), _conditioning(4), _keys(4)
    alone = loop.sample(policy, params, conditioning, keys, FRAMES, TEMPERATURE)
    devices = sharding.make_mesh(sharding.MeshConfig(data=mesh[0], fsdp=mesh[1]))
    rows = sharding.batch_sharding(devices)
    spread = loop.sample(
        policy,
        jax.device_put(params, sharding.tree_shardings(params, devices)),
        jax.device_put(conditioning, rows),
        jax.device_put(keys, rows),
        FRAMES,
        TEMPERATURE,
    )
    np.testing.assert_array_equal(spread.tokens, alone.tokens)
    np.testing.assert_allclose(spread.log_probs, alone.log_probs, atol=1e-4)


def test_a_clip_depends_on_its_key_and_not_on_its_batch() -> None:
    policy = adapter.make_policy(CONFIG, LAYOUT)
    params, conditioning, keys = _params(policy), _conditioning(4), _keys(4)
    four = loop.sample(policy, params, conditioning, keys, FRAMES, TEMPERATURE)
    one = loop.sample(policy, params, conditioning[2:3], keys[2:3], FRAMES, TEMPERATURE)
    np.testing.assert_array_equal(one.tokens[0], four.tokens[2])
    other = loop.sample(
        policy, params, conditioning[2:3], keys[1:2], FRAMES, TEMPERATURE
    )
    assert (np.asarray(other.tokens[0]) != np.asarray(four.tokens[2])).mean() > 0.3


def test_a_shorter_clip_is_the_beginning_of_a_longer_one() -> None:
    policy = adapter.make_policy(CONFIG, LAYOUT)
    params, conditioning, keys = _params(policy), _conditioning(1), _keys(1)
    long = loop.sample(policy, params, conditioning, keys, FRAMES, TEMPERATURE)
    short = loop.sample(policy, params, conditioning, keys, 4, TEMPERATURE)
    np.testing.assert_array_equal(short.tokens, long.tokens[:, :4])


@pytest.mark.slow
def test_thirty_seconds_of_nine_tokens_a_frame() -> None:
    """The paper's length: 750 frames x (1 + 2 x 4) tokens = 6,750 (section 3.1)."""
    wide = configs.make_layout(semantic_size=64, coarse_size=64, coarse_steps=2)
    frames = wide.num_frames(30.0)
    assert frames * wide.tokens_per_frame == 6750
    policy = adapter.make_policy(dataclasses.replace(CONFIG, window_frames=250), wide)
    # Random weights times 3 amplify rounding to 2e-4 at this length, times 2 to 3e-5; a
    # trained network of the starter's sizes shows 7e-6.
    params, conditioning = _params(policy, 2.0), _conditioning(2)
    clips = loop.sample(policy, params, conditioning, _keys(2), frames, 0.99)
    forced = _teacher_forced(policy, params, clips, conditioning, 0.99)
    np.testing.assert_allclose(clips.log_probs, forced, atol=1e-4)
