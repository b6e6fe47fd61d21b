"""Classifier-free guidance: what is dropped, what is learnt, what is sampled."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, layout, protocols
from musicrl_jax.models.musiclm import adapter, guidance, objective
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.sampling import loop

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=5),
        layout.Stream(name="coarse", codebook_size=7, levels=2),
    )
)
PLAIN = configs.MusicLMConfig(
    width=16,
    heads=2,
    layers=2,
    depth_width=8,
    depth_heads=2,
    window_frames=3,
    conditioning_tokens=4,
    conditioning_size=6,
)
CONFIG = dataclasses.replace(PLAIN, null_conditioning=True)
POLICY = adapter.make_policy(CONFIG, LAYOUT)
FRAMES = 6


@functools.cache
def _params() -> dict:
    params = jax.jit(POLICY.init)(jax.random.key(0))
    return jax.tree.map(lambda x: 4.0 * x, params)


def _conditioning() -> jax.Array:
    return jax.random.randint(jax.random.key(2), (3, 4), 0, 6)


def _sample(policy: protocols.Policy):
    keys = jax.random.split(jax.random.key(3), 3)
    return loop.sample(policy, _params(), _conditioning(), keys, FRAMES, 0.9)


@functools.partial(jax.jit, static_argnums=0)
def _logits(
    policy: protocols.Policy, tokens: jax.Array, conditioning: jax.Array
) -> jax.Array:
    states = policy.frame_states(_params(), tokens, conditioning)
    return policy.token_logits(_params(), states, tokens)


def test_without_the_option_the_parameters_are_as_they_were() -> None:
    plain = adapter.make_policy(PLAIN, LAYOUT).abstract_params()
    assert "null" not in plain["temporal"]
    added = dict(POLICY.abstract_params()["temporal"])
    assert added.pop("null").shape == (4, 16)
    assert jax.tree.structure(added) == jax.tree.structure(plain["temporal"])


def test_the_share_that_is_dropped_is_the_one_asked_for() -> None:
    conditioning = jnp.arange(20_000).reshape(5000, 4) % 6
    kept = objective.dropped(conditioning, jax.random.key(0), 0.2)
    missing = np.asarray(kept == configs.NULL)
    np.testing.assert_array_equal(missing.all(axis=1), missing.any(axis=1))
    # Five standard deviations of a share of 5,000 draws.
    assert abs(missing[:, 0].mean() - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 5000)
    np.testing.assert_array_equal(kept[~missing[:, 0]], conditioning[~missing[:, 0]])


@pytest.mark.slow
def test_the_null_prefix_hides_the_conditioning_and_is_learnt() -> None:
    trainer = objective.MusicLMObjective(config=CONFIG, layout=LAYOUT, dropout=0.5)
    tokens = _sample(POLICY).tokens
    tokens = jnp.pad(tokens, ((0, 0), (1, 0), (0, 0)))

    @jax.jit
    def gradient(conditioning: jax.Array, share_key: jax.Array):
        batch = {
            "tokens": tokens,
            "conditioning": conditioning,
            "offset": jnp.zeros(3, jnp.int32),
        }
        return jax.grad(lambda params: trainer.loss(params, {}, batch, share_key)[0])(
            _params()
        )["temporal"]

    for seed in range(3):
        key = jax.random.key(seed)
        found = gradient(_conditioning(), key)
        share = objective.dropped(_conditioning(), jax.random.fold_in(key, 1), 0.5)
        dropped = bool(jnp.any(share == configs.NULL))
        assert bool(jnp.any(found["null"] != 0)) == dropped
    nothing = jnp.full((3, 4), configs.NULL)
    found = gradient(nothing, jax.random.key(0))
    assert bool(jnp.all(found["conditioning"]["table"] == 0))


def test_a_scale_of_one_is_the_policy_itself() -> None:
    assert guidance.guided(POLICY, 1.0) is POLICY
    twice = guidance.GuidedPolicy(policy=POLICY, scale=1.0)
    assert isinstance(twice, protocols.Policy)
    plain, both = _sample(POLICY), _sample(twice)
    np.testing.assert_array_equal(plain.tokens, both.tokens)
    np.testing.assert_allclose(plain.log_probs, both.log_probs, atol=1e-4)


def test_a_scale_of_zero_ignores_the_conditioning() -> None:
    policy = guidance.guided(POLICY, 0.0)
    tokens = _sample(POLICY).tokens
    nothing = jnp.full_like(_conditioning(), configs.NULL)
    np.testing.assert_allclose(
        _logits(policy, tokens, _conditioning()),
        _logits(POLICY, tokens, nothing),
        rtol=1e-4,
        atol=1e-4,
    )


def test_guided_logits_are_the_formula_and_sampling_draws_from_them() -> None:
    scale = 2.5
    policy = guidance.guided(POLICY, scale)
    clips = _sample(policy)
    given = np.asarray(_logits(POLICY, clips.tokens, _conditioning()), np.float64)
    nothing = jnp.full_like(_conditioning(), configs.NULL)
    null = np.asarray(_logits(POLICY, clips.tokens, nothing), np.float64)
    logits = _logits(policy, clips.tokens, _conditioning())
    assert logits.dtype == jnp.float32
    valid = np.broadcast_to(LAYOUT.valid_entries()[None, None], logits.shape)
    expected = null + scale * (given - null)
    np.testing.assert_allclose(
        np.asarray(logits)[valid], expected[valid], rtol=1e-4, atol=1e-4
    )
    log_probs = jax.nn.log_softmax(logits / 0.9, axis=-1)
    chosen = jnp.take_along_axis(log_probs, clips.tokens[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(clips.log_probs, chosen, atol=1e-4)


def test_what_cannot_be_guided_is_refused() -> None:
    with pytest.raises(errors.InputError, match="null_conditioning"):
        guidance.guided(adapter.make_policy(PLAIN, LAYOUT), 3.0)
    with pytest.raises(errors.InputError, match="negative"):
        guidance.guided(POLICY, -1.0)
    with pytest.raises(errors.InputError, match="null_conditioning"):
        objective.MusicLMObjective(config=PLAIN, layout=LAYOUT, dropout=0.1)
