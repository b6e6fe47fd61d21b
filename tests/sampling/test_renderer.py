"""Fine levels between policy and codec: what reaches the codec, and with which key."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, protocols
from musicrl_jax.core import layout as layouts
from musicrl_jax.sampling import renderer

LAYOUT = layouts.TokenLayout(
    streams=(
        layouts.Stream(name="semantic", codebook_size=8),
        layouts.Stream(name="coarse", codebook_size=8, levels=2, steps_per_frame=2),
    )
)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(0, 8, (3, 6, 5)), jnp.int32)


@dataclasses.dataclass(frozen=True)
class SumCodec:
    """Decodes each step of codes to one sample: digits of its levels."""

    sample_rate_hz: int = 50
    samples_per_frame: int = 1

    def encode(self, params, waveform):
        raise NotImplementedError

    def decode(self, params, codes):
        places = 10.0 ** -jnp.arange(codes.shape[-1])
        return codes.astype(jnp.float32) @ places


@dataclasses.dataclass(frozen=True)
class Guided:
    """Adds the semantic token and a digit of the clip's key as two levels."""

    coarse_levels: int = 2
    levels: int = 4

    def refine(self, params, coarse, keys, semantic=None):
        drawn = jax.vmap(lambda key: jax.random.randint(key, (), 0, 8))(keys)
        drawn = jnp.broadcast_to(drawn[:, None], coarse.shape[:2])
        more = jnp.stack([semantic * params["scale"], drawn], axis=-1)
        return jnp.concatenate([coarse, more], axis=-1)


FULL = renderer.Renderer(layout=LAYOUT, codec=SumCodec(), fine=Guided())
FINE = {"scale": jnp.asarray(1)}


def test_fine_levels_follow_the_coarse_ones_of_their_step():
    assert isinstance(Guided(), protocols.FineStage)
    sound = np.asarray(FULL({}, TOKENS, FINE))
    coarse = np.asarray(TOKENS[..., 1:]).reshape(3, 12, 2)
    semantic = np.repeat(TOKENS[..., 0], 2, axis=1)
    known = coarse @ [1, 0.1] + semantic * 0.01
    np.testing.assert_allclose(np.floor(sound * 100 + 0.05) / 100, known, atol=1e-5)


def test_without_a_stage_or_its_parameters_the_coarse_levels_are_decoded():
    plain = renderer.Renderer(layout=LAYOUT, codec=SumCodec())
    coarse = np.asarray(TOKENS[..., 1:]).reshape(3, 12, 2) @ [1, 0.1]
    np.testing.assert_allclose(plain({}, TOKENS), coarse, rtol=1e-6)
    np.testing.assert_allclose(FULL({}, TOKENS), coarse, rtol=1e-6)


def test_a_clip_sounds_the_same_beside_others_and_others_have_other_keys():
    together = FULL({}, TOKENS, FINE)
    np.testing.assert_array_equal(FULL({}, TOKENS[1:2], FINE)[0], together[1])
    codes = jnp.asarray(np.random.default_rng(1).integers(0, 8, (500, 12, 2)))
    near = codes[:1].at[:, 5, 1].add(1)
    swapped = codes[:1].at[:, 0].set(codes[:1, 1]).at[:, 1].set(codes[:1, 0])
    keys = renderer.content_keys(jnp.concatenate([codes, near, swapped]))
    assert len(np.unique(jax.random.key_data(keys), axis=0)) == 502


def test_a_stage_for_other_levels_is_refused():
    with pytest.raises(
        errors.InputError, match="2 coarse levels; it was trained for 3"
    ):
        dataclasses.replace(FULL, fine=Guided(coarse_levels=3))


def test_a_timed_renderer_renders_the_same_and_tells_its_parts_apart():
    ticks, fine = itertools.count(), {"scale": jnp.ones((), jnp.int32)}

    def clock():
        return float(next(ticks) ** 2)  # 0, 1, 4: the first part takes 1, the next 3

    timed = renderer.TimedRenderer(FULL, {}, fine, clock)
    np.testing.assert_array_equal(timed(TOKENS), FULL({}, TOKENS, fine))
    assert timed.seconds == {"fine": 1.0, "decode": 3.0}
    plain = renderer.Renderer(layout=LAYOUT, codec=SumCodec())
    coarse = renderer.TimedRenderer(plain, {}, None)
    np.testing.assert_array_equal(coarse(TOKENS), plain({}, TOKENS))
    assert set(coarse.seconds) == {"decode"}
