"""Laws of parallel decoding, with stand-ins for the network."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.models.soundstorm import config as configs
from musicrl_jax.models.soundstorm import decoding, masking

SIZES = configs.SoundStormConfig(levels=5, coarse_levels=2, codebook_size=97, width=8)
FRAMES = 40
COARSE = np.random.default_rng(0).integers(0, 97, (3, FRAMES, 2)).astype(np.int32)


def keys(first=0, count=3):
    root = jax.random.key(1)
    return jax.vmap(lambda i: jax.random.fold_in(root, i))(
        first + jax.numpy.arange(count)
    )


def refine(logits_of, coarse=COARSE, some_keys=None, **settings):
    config = configs.DecodingConfig(**settings)
    run = jax.jit(decoding.refine, static_argnums=(0, 4))
    passes = decoding.plan(SIZES, config, coarse.shape[1])
    some_keys = keys(count=len(coarse)) if some_keys is None else some_keys
    return np.asarray(run(logits_of, passes, coarse, some_keys, SIZES.levels))


def filled_so_far(codes, known, level):
    """Says how many places of the level are known: the time at which one is filled."""
    at = known & (jnp.arange(SIZES.levels)[None, None] == level[:, None, None])
    count = at.sum(axis=(1, 2))[:, None]
    return 50.0 * jax.nn.one_hot(jnp.broadcast_to(count, codes.shape[:2]), 97)


def sums_of_the_known(codes, known, level):
    """The likeliest code is the sum of all known ones of its frame and the level."""
    total = jnp.where(known, codes, 0).sum(axis=-1) + level[:, None]
    return jax.nn.one_hot(total % 97, 97)


@pytest.mark.parametrize("iterations", [(1,), (4, 1), (7, 3, 2)])
def test_every_place_is_filled_once_and_as_many_as_the_schedule_says(iterations):
    codes = refine(filled_so_far, iterations=iterations, temperature=0.0)
    np.testing.assert_array_equal(codes[..., :2], COARSE)
    passes = configs.DecodingConfig(iterations=iterations).passes(3)
    for level, count in enumerate(passes, start=2):
        wanted = np.zeros(97, int)
        known = 0
        for places in masking.schedule(FRAMES, count):
            wanted[known] += places
            known += places
        for clip in codes[..., level]:
            np.testing.assert_array_equal(np.bincount(clip, minlength=97), wanted)


def test_one_greedy_pass_is_the_likeliest_code_given_the_levels_below():
    codes = refine(sums_of_the_known, iterations=(1,))
    wanted = COARSE
    for level in range(2, 5):
        following = (wanted.sum(axis=-1, keepdims=True) + level) % 97
        wanted = np.concatenate([wanted, following], axis=-1)
    np.testing.assert_array_equal(codes, wanted)


def test_the_surest_places_are_filled_first():
    def sure_of_late_frames(codes, known, level):
        time = filled_so_far(codes, known, level)
        return time * (1 + jnp.arange(FRAMES)[None, :, None] / FRAMES) / 10

    codes = refine(sure_of_late_frames, iterations=(5, 1), temperature=0.0)
    assert (np.diff(codes[..., 2], axis=1) <= 0).all()
    assert (codes[:, -1, 2] == 0).all()


def test_a_clip_does_not_depend_on_its_batch():
    table = jnp.asarray(np.random.default_rng(3).normal(size=(600, 97)), jnp.float32)

    def random_rows(codes, known, level):
        return table[jnp.where(known, codes, 0).sum(axis=-1) + level[:, None]]

    settings = {"iterations": (6, 2, 1), "confidence_noise": 2.0}
    together = refine(random_rows, **settings)
    alone = refine(random_rows, COARSE[1:2], keys(1, 1), **settings)
    np.testing.assert_array_equal(alone[0], together[1])


def test_codes_are_drawn_from_the_tempered_distribution():
    weights = jnp.log(jnp.asarray([0.5, 0.3, 0.2]))

    def fixed(codes, known, level):
        row = jnp.full(97, -1e9).at[:3].set(weights)
        return jnp.broadcast_to(row, (*codes.shape[:2], 97))

    # The first of two passes fills a lone frame, before any ranking by confidence.
    assert masking.schedule(1, 2) == (1, 0)
    coarse = np.zeros((4000, 1, 2), np.int32)
    codes = refine(fixed, coarse, keys(count=4000), iterations=(2, 1), temperature=2.0)
    found = np.bincount(codes[..., 2].ravel(), minlength=97)[:3] / codes[..., 2].size
    tempered = np.sqrt([0.5, 0.3, 0.2])
    np.testing.assert_allclose(found, tempered / tempered.sum(), atol=0.03)
    # Levels of one pass take the likeliest.
    assert (codes[..., 3:] == 0).all()


def test_passes_are_one_compiled_loop_whatever_their_number():
    def loops(iterations):
        passes = decoding.plan(
            SIZES, configs.DecodingConfig(iterations=iterations), FRAMES
        )
        run = functools.partial(decoding.refine, sums_of_the_known, levels=5)
        return str(jax.make_jaxpr(run)(passes, COARSE, keys())).count("scan[")

    assert loops((16, 1)) == loops((2, 1)) == 1
