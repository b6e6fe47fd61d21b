"""What the protocols promise: causality, masks, positions, the baseline's start."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, layout, protocols
from musicrl_jax.models.musiclm import adapter
from musicrl_jax.models.musiclm import config as configs

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=5),
        layout.Stream(name="coarse", codebook_size=7, levels=2),
    )
)
CONFIG = configs.MusicLMConfig(
    width=16,
    heads=2,
    layers=2,
    depth_width=8,
    depth_heads=2,
    window_frames=3,
    conditioning_tokens=4,
    conditioning_size=6,
)
FRAMES = 8
POLICY = adapter.make_policy(CONFIG, LAYOUT)
VALUE = adapter.make_value(CONFIG, LAYOUT)


@functools.cache
def _params() -> dict:
    params = jax.jit(POLICY.init)(jax.random.key(0))
    return jax.tree.map(lambda x: 4.0 * x, params)


def _inputs() -> tuple[jax.Array, jax.Array]:
    sizes = jnp.asarray(LAYOUT.codebook_sizes)
    tokens = jax.random.randint(jax.random.key(1), (2, FRAMES, 3), 0, sizes[None, None])
    return tokens, jax.random.randint(jax.random.key(2), (2, 4), 0, 6)


@jax.jit
def _logits(params: dict, tokens: jax.Array, conditioning: jax.Array) -> jax.Array:
    states = POLICY.frame_states(params, tokens, conditioning)
    return POLICY.token_logits(params, states, tokens)


def test_implements_the_protocols_and_is_hashable() -> None:
    assert isinstance(POLICY, protocols.Policy)
    assert isinstance(VALUE, protocols.ValueFunction)
    assert hash(POLICY) == hash(adapter.make_policy(CONFIG, LAYOUT))


@pytest.mark.parametrize("kind", ["logits", "values"])
def test_no_token_sees_itself_or_what_follows(kind: str) -> None:
    tokens, conditioning = _inputs()
    if kind == "logits":
        params, function = _params(), _logits
    else:
        params = adapter.value_params_from(_params(), 0.0)
        params["head"]["kernel"] = jnp.ones_like(params["head"]["kernel"])
        function = VALUE.values
    function = jax.jit(function)
    before = function(params, tokens, conditioning)
    for frame, position in [(0, 0), (2, 1), (FRAMES - 1, 2)]:
        changed = tokens.at[:, frame, position].set(
            (tokens[:, frame, position] + 1) % 5
        )
        delta = np.abs(function(params, changed, conditioning) - before)
        if kind == "logits":
            delta = delta.max(axis=-1)
        flat = delta.max(axis=0).reshape(-1)
        moment = frame * 3 + position
        assert flat[: moment + 1].max() == 0
        if moment + 1 < flat.size:
            assert flat[moment + 1] > 0


def test_conditioning_reaches_every_frame() -> None:
    tokens, conditioning = _inputs()
    other = (conditioning + 1) % 6
    delta = jnp.abs(
        _logits(_params(), tokens, conditioning) - _logits(_params(), tokens, other)
    )
    assert float(delta.max(axis=(0, 2, 3)).min()) > 1e-2


def test_entries_outside_a_codebook_have_probability_zero() -> None:
    probabilities = jax.nn.softmax(_logits(_params(), *_inputs()), axis=-1)
    valid = LAYOUT.valid_entries()
    assert probabilities[..., ~valid].max() == 0
    assert probabilities[..., valid].min() > 0


def test_attention_reaches_as_far_as_the_layers_windows_and_no_farther() -> None:
    tokens, conditioning = _inputs()
    changed = tokens.at[:, 0].set((tokens[:, 0] + 1) % 5)
    states = jax.jit(POLICY.frame_states)
    delta = jnp.abs(
        states(_params(), tokens, conditioning)
        - states(_params(), changed, conditioning)
    ).max(axis=(0, 2))
    # Frame 0's tokens enter at frame 1; each of two layers looks 2 frames back.
    assert float(delta[1:6].max()) > 0
    assert float(delta[6:].max()) == 0


def test_a_crop_at_its_offset_equals_the_clip_once_the_window_is_inside() -> None:
    config = configs.MusicLMConfig(**(vars(CONFIG) | {"layers": 1}))
    policy = adapter.make_policy(config, LAYOUT)
    network = jax.jit(policy.network.apply)
    params = {"params": jax.jit(policy.init)(jax.random.key(0))}
    tokens, conditioning = _inputs()
    previous = adapter.shifted(tokens)
    whole = network(params, tokens, previous, conditioning, jnp.zeros(2, jnp.int32))
    cut = 3
    here, offset = np.s_[:, cut:], jnp.full(2, cut)
    crop = network(params, tokens[here], previous[here], conditioning, offset)
    np.testing.assert_allclose(crop[:, 2:], whole[:, cut + 2 :], atol=1e-5)
    elsewhere = network(params, tokens[here], previous[here], conditioning, offset + 50)
    assert float(jnp.abs(elsewhere - crop).max()) > 1e-6


def test_chunks_of_frames_give_the_logits_of_the_whole() -> None:
    tokens, conditioning = _inputs()
    states = jax.jit(POLICY.frame_states)(_params(), tokens, conditioning)
    token_logits = jax.jit(POLICY.token_logits)
    whole = token_logits(_params(), states, tokens)
    part = token_logits(_params(), states[:, 2:5], tokens[:, 2:5])
    np.testing.assert_allclose(part, whole[:, 2:5], atol=1e-6)


def test_the_baseline_starts_at_the_mean_reward_on_the_policys_trunk() -> None:
    params = adapter.value_params_from(_params(), 0.37)
    fresh = jax.eval_shape(VALUE.init, jax.random.key(3))
    assert jax.tree.structure(params) == jax.tree.structure(fresh)
    values = jax.jit(VALUE.values)(params, *_inputs())
    np.testing.assert_allclose(values, 0.37, rtol=1e-6)
    moved = adapter.centred_value(params, -0.5)
    np.testing.assert_allclose(moved["head"]["bias"], -0.5)
    for a, b in zip(
        jax.tree.leaves(params["temporal"]),
        jax.tree.leaves(_params()["temporal"]),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_another_networks_tree_is_refused() -> None:
    with pytest.raises(errors.InputError, match="policy"):
        adapter.value_params_from({"encoder": {}}, 0.0)


def test_impossible_sizes_are_named() -> None:
    with pytest.raises(errors.InputError, match="window_frames"):
        configs.MusicLMConfig(window_frames=0)
    with pytest.raises(errors.InputError, match="width"):
        configs.MusicLMConfig(width=50, heads=3)
