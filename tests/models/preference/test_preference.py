"""The preference model: its start, what it reads, its ensemble, its trunk."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, layout
from musicrl_jax.models.musiclm import adapter as musiclm
from musicrl_jax.models.musiclm import config as musiclm_config
from musicrl_jax.models.preference import (
    adapter,
    config,
    losses,
    network,
    objective,
    warm_start,
)
from musicrl_jax.pretraining import objective as objectives
from musicrl_jax.rewards import preference as rewards

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=5),
        layout.Stream(name="coarse", codebook_size=5, levels=2),
    )
)
TRUNK = musiclm_config.MusicLMConfig(
    width=16,
    heads=2,
    layers=1,
    depth_width=8,
    depth_heads=2,
    window_frames=3,
    conditioning_tokens=4,
    conditioning_size=6,
)
PAIRS, FRAMES = 6, 8


def make(**fields):
    return adapter.make_model(config.PreferenceConfig(**fields), TRUNK, LAYOUT)


def drawn(shapes, seed=0):
    """Returns random parameters, which takes no compilation."""
    draw = np.random.default_rng(seed)
    return jax.tree.map(
        lambda leaf: draw.normal(0, 0.5, leaf.shape).astype(np.float32), shapes
    )


@functools.cache
def trained(model):
    """Returns parameters whose heads say something."""
    return drawn(model.abstract_params())


def untrained(model):
    """Returns parameters whose heads still say 0."""
    params = trained(model)
    zeros = {name: np.zeros_like(params["heads"][name]) for name in ("outer", "linear")}
    return params | {"heads": params["heads"] | zeros}


def batch():
    draw = np.random.default_rng(0)
    shape = (PAIRS, FRAMES, LAYOUT.tokens_per_frame)
    return {
        "preferred": draw.integers(0, 5, shape).astype(np.uint16),
        "other": draw.integers(0, 5, shape).astype(np.uint16),
        "conditioning": draw.integers(0, 6, (PAIRS, 4)).astype(np.int32),
        "number": np.arange(PAIRS, dtype=np.int32),
        "share": np.ones(PAIRS, np.float32),
    }


def loss(model, params, pairs, **fields):
    trainer = objective.PreferenceObjective(model=model, **fields)
    assert isinstance(trainer, objectives.Objective)
    pairs = {name: jnp.asarray(array) for name, array in pairs.items()}
    return jax.jit(trainer.loss)(params, {}, pairs, jax.random.key(3))[0]


def test_loss_is_log_2_before_training():
    model = make(heads=3)
    heads = network.Heads(3, 4).init(jax.random.key(0), jnp.zeros((1, 5)))["params"]
    assert not np.asarray(heads["outer"]).any()
    assert not np.asarray(heads["linear"]).any()
    assert float(loss(model, untrained(model), batch())) == pytest.approx(
        np.log(2), abs=1e-6
    )


def test_loss_of_swapped_pairs_is_that_of_the_opposite_choices():
    model = make(dropout=0.0)
    params, pairs = trained(model), batch()
    swapped = pairs | {"preferred": pairs["other"], "other": pairs["preferred"]}
    scores = {
        name: model.score(params, pairs[name].astype(np.int32), pairs["conditioning"])
        for name in ("preferred", "other")
    }
    margin = np.asarray(scores["preferred"] - scores["other"], np.float64)
    assert np.abs(margin).min() > 1e-3
    for sign, given in ((1, pairs), (-1, swapped)):
        expected = np.log1p(np.exp(-sign * margin)).mean()
        assert float(loss(model, params, given)) == pytest.approx(expected, rel=1e-4)


def test_every_token_is_heard_however_long_the_clip():
    model = make()
    pairs = batch()
    tokens = jnp.asarray(pairs["preferred"][:1], jnp.int32)
    heard = pairs["conditioning"][:1]
    before = model.score(trained(model), tokens, heard)
    for frame, position in [(0, 0), (4, 2), (FRAMES - 1, 1)]:
        value = (tokens[:, frame, position] + 1) % 5
        changed = tokens.at[:, frame, position].set(value)
        after = model.score(trained(model), changed, heard)
        assert abs(float((after - before)[0])) > 1e-5


@pytest.mark.parametrize("use_text", [True, False])
def test_captions_count_only_with_text(use_text):
    model = make(use_text=use_text)
    pairs = batch()
    tokens = jnp.asarray(pairs["preferred"], jnp.int32)
    one = model.score(trained(model), tokens, pairs["conditioning"])
    other = model.score(trained(model), tokens, (pairs["conditioning"] + 1) % 6)
    assert bool((one == other).all()) is not use_text


def test_the_score_of_several_heads():
    scores = jnp.asarray([[1.0, 3.0], [-2.0, 2.0]])
    for fields, expected in (
        ({}, [2.0, 0.0]),
        ({"take_min": True}, [1.0, -2.0]),
        ({"deviation_weight": 0.5}, [1.5, -1.0]),
    ):
        found = losses.combined(scores, config.PreferenceConfig(heads=2, **fields))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_heads_learn_from_parts_of_the_pairs_and_differ():
    model = make(heads=2, dropout=0.0)
    trainer = objective.PreferenceObjective(model=model, seen_share=0.7)
    seen = np.asarray(trainer.seen(jnp.arange(4_000)))
    again = np.asarray(trainer.seen(jnp.arange(4_000)[::-1]))
    np.testing.assert_array_equal(seen, again[::-1])
    # Shares of 4,000 draws have standard errors of 0.008 or less.
    np.testing.assert_allclose(seen.mean(axis=0), 0.7, atol=0.03)
    assert seen.all(axis=1).mean() == pytest.approx(0.49, abs=0.03)
    pairs = {name: jnp.asarray(array) for name, array in batch().items()}
    params = untrained(model)
    gradient = jax.jit(
        jax.grad(lambda p: trainer.loss(p, {}, pairs, jax.random.key(0))[0])
    )
    first, second = gradient(params)["heads"]["outer"]
    assert float(jnp.abs(first - second).max()) > 1e-4
    assert make().config.heads == 1
    single = objective.PreferenceObjective(model=make()).seen(jnp.arange(9))
    assert bool(single.all())


def test_the_trunk_of_a_checkpoint_is_taken_and_other_sizes_are_refused():
    model = make()
    policy = musiclm.make_policy(TRUNK, LAYOUT)
    checkpoint = drawn(policy.abstract_params(), seed=7)
    params = trained(model)
    started = warm_start.with_trunk(params, checkpoint)
    assert jax.tree.structure(started) == jax.tree.structure(params)
    for name in warm_start.TRUNK:
        jax.tree.map(np.testing.assert_array_equal, started[name], checkpoint[name])
    np.testing.assert_array_equal(started["heads"]["inner"], params["heads"]["inner"])
    larger = musiclm.make_policy(dataclasses.replace(TRUNK, width=32), LAYOUT)
    shapes = larger.abstract_params()
    for other in (shapes, {"network": shapes}):
        with pytest.raises(errors.InputError, match="its own sizes"):
            warm_start.with_trunk(params, other)


def test_rejects_what_does_not_fit():
    for fields in ({"heads": 0}, {"dropout": 1.0}, {"deviation_weight": -1.0}):
        with pytest.raises(errors.InputError, match="PreferenceConfig"):
            config.PreferenceConfig(**fields)
    with pytest.raises(errors.InputError, match="take_min"):
        config.PreferenceConfig(take_min=True, deviation_weight=1.0)
    with pytest.raises(errors.InputError, match="seen_share"):
        objective.PreferenceObjective(model=make(), seen_share=0.0)
    model = make()
    tokens = jnp.zeros((1, 2, 4), jnp.int32)
    with pytest.raises(errors.InputError, match=r"of \[3, 4\]; got \[4, 4\]"):
        model.score(trained(model), tokens, jnp.zeros((1, 4), jnp.int32))


def test_is_what_the_reward_wants():
    assert isinstance(make(), rewards.PreferenceModel)
