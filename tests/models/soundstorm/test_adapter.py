"""SoundStorm learns a code that follows from the coarse one; shapes; refusals."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, protocols, writers
from musicrl_jax.models.soundstorm import adapter, config, objective
from musicrl_jax.pretraining import config as pretrain_config
from musicrl_jax.pretraining import loop, step

SIZES = config.SoundStormConfig(
    levels=4, coarse_levels=2, codebook_size=8, width=32, heads=2, layers=1, kernel=3
)
STAGE = adapter.make_soundstorm(SIZES, config.DecodingConfig(iterations=(4, 1)))


class Deterministic:
    """Fine levels that are functions of the coarse ones, near frames included."""

    def codes(self, seed, clips=16, frames=24):
        random = np.random.default_rng(seed)
        first, second = random.integers(0, 8, (2, clips, frames))
        third = np.roll(second, 1, axis=1) ^ 5
        fourth = np.where(first < 4, third, 7 - third)
        return np.stack([first, second, third, fourth], axis=-1)

    def batch(self, step):
        return {"codes": self.codes(step).astype(np.int16)}


def keys(count):
    return jax.random.split(jax.random.key(2), count)


@pytest.fixture(scope="module")
def params():
    return jax.jit(STAGE.init)(jax.random.key(0))


@pytest.mark.slow
def test_a_deterministic_code_is_learnt():
    state = loop.train(
        objective.SoundStormObjective(config=SIZES),
        Deterministic(),
        pretrain_config.PretrainConfig(
            steps=300, learning_rate=1e-2, warmup_steps=20, save_every=300
        ),
        writers.MemoryWriter(),
    )
    codes = jnp.asarray(Deterministic().codes(10**6))
    params = step.trained_params(state)
    refined = STAGE.refine(params, codes[..., :2], keys(len(codes)))
    # The first frame's neighbour is the last one of the clip, which is far away.
    agreement = np.asarray(refined == codes)[:, 1:].mean(axis=(0, 1))
    assert (agreement[:2] == 1).all()
    assert agreement.min() > 0.98


def test_one_pass_is_the_argmax_of_one_forward_pass(params):
    stage = dataclasses.replace(STAGE, decoding=config.DecodingConfig(iterations=(1,)))
    codes = jnp.asarray(Deterministic().codes(0, clips=2))
    refined = stage.refine(params, codes[..., :2], keys(2))
    np.testing.assert_array_equal(refined[..., :2], codes[..., :2])
    level = jnp.asarray(2)
    likeliest = STAGE.teacher_logits(params, refined, level).argmax(axis=-1)
    np.testing.assert_array_equal(refined[..., 2], likeliest)
    assert (stage.passes, STAGE.passes) == (2, 5)


def test_what_is_not_known_is_not_looked_at(params):
    codes = jnp.asarray(Deterministic().codes(0, clips=2))
    other = codes.at[..., 2:].add(1) % 8
    level = jnp.asarray(2)
    one, two = (STAGE.teacher_logits(params, x, level) for x in (codes, other))
    np.testing.assert_array_equal(one, two)
    changed = codes.at[:, 5, 1].add(1) % 8
    assert jnp.abs(STAGE.teacher_logits(params, changed, level) - one).max() > 1e-4


def test_a_window_hides_what_is_far(params):
    sizes = dataclasses.replace(SIZES, window_frames=5)
    stage = adapter.make_soundstorm(sizes, config.DecodingConfig())
    codes = jnp.asarray(Deterministic().codes(0, clips=1))
    moved = codes.at[:, 10, 0].add(1) % 8
    level = jnp.asarray(2)
    one, two = (stage.teacher_logits(params, x, level) for x in (codes, moved))
    changed = np.flatnonzero(jnp.abs(one - two).max(axis=(0, 2)) > 1e-6)
    # Two frames of attention to each side, one of convolution.
    np.testing.assert_array_equal(changed, np.arange(7, 14))


def test_semantic_tokens_are_read_where_the_network_has_them(params):
    sizes = dataclasses.replace(SIZES, semantic_size=5)
    stage = adapter.make_soundstorm(sizes, config.DecodingConfig(iterations=(1,)))
    table = jax.random.normal(jax.random.key(1), (1, 5, SIZES.width))
    both = dict(params) | {"semantic": {"table": table}}
    assert jax.tree.structure(both) == jax.tree.structure(stage.abstract_params())
    codes = jnp.asarray(Deterministic().codes(0, clips=2))
    tokens = jnp.zeros(codes.shape[:2], int)
    level = jnp.asarray(3)
    one, two = (
        stage.teacher_logits(both, codes, level, x) for x in (tokens, tokens + 4)
    )
    assert jnp.abs(one - two).max() > 1e-4
    with pytest.raises(errors.InputError, match="5 semantic tokens"):
        stage.refine(both, codes[..., :2], keys(2))


def test_fits_the_protocol_and_refuses_other_levels():
    assert isinstance(STAGE, protocols.FineStage)
    with pytest.raises(errors.InputError, match="continue 2 levels; got 3"):
        STAGE.refine({}, jnp.zeros((1, 4, 3), int), keys(1))


@pytest.mark.parametrize(
    "change", [{"coarse_levels": 4}, {"coarse_levels": 0}, {"window_frames": -1}]
)
def test_impossible_sizes_are_refused(change):
    with pytest.raises(errors.InputError, match="SoundStormConfig"):
        dataclasses.replace(SIZES, **change)


@pytest.mark.parametrize("change", [{"iterations": ()}, {"temperature": -1.0}])
def test_impossible_decoding_is_refused(change):
    with pytest.raises(errors.InputError, match="DecodingConfig"):
        config.DecodingConfig(**change)


def test_the_last_number_of_passes_goes_for_all_levels_above():
    assert config.DecodingConfig().passes(8) == (16, 1, 1, 1, 1, 1, 1, 1)
    assert config.DecodingConfig(iterations=(3, 2, 1)).passes(2) == (3, 2)
