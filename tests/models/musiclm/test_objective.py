"""The supervised loss against an independent sum, and what it leaves out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from musicrl_jax.core import arrays, layout
from musicrl_jax.models.musiclm import config as configs
from musicrl_jax.models.musiclm import losses, objective
from musicrl_jax.pretraining import objective as protocol

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=5),
        layout.Stream(name="coarse", codebook_size=7, levels=2),
    )
)
CONFIG = configs.MusicLMConfig(
    width=16,
    heads=2,
    layers=1,
    depth_width=8,
    depth_heads=2,
    window_frames=3,
    conditioning_tokens=4,
    conditioning_size=6,
)
TRAINER = objective.MusicLMObjective(config=CONFIG, layout=LAYOUT)
LOSS = jax.jit(TRAINER.loss)


@functools.cache
def _params() -> tuple[dict, dict]:
    return jax.jit(TRAINER.init)(jax.random.key(0))


def _batch(offset: int) -> dict[str, jax.Array]:
    sizes = jnp.asarray(LAYOUT.codebook_sizes)
    return {
        "tokens": jax.random.randint(
            jax.random.key(1), (2, 7, 3), 0, sizes[None, None]
        ).astype(jnp.int16),
        "conditioning": jax.random.randint(jax.random.key(2), (2, 4), 0, 6),
        "offset": jnp.full(2, offset),
    }


def _cross_entropy_case() -> tuple[np.ndarray, ...]:
    """Features, heads, tokens and valid entries of 2 positions and 7 places."""
    random = np.random.default_rng(0)
    features, heads = random.normal(size=(2, 7, 4)), random.normal(size=(2, 4, 5))
    valid = np.ones((2, 5), bool)
    valid[0, 3:] = False
    return features, heads, random.integers(0, 3, (2, 7)), valid


def _expected_nats(
    features: np.ndarray, heads: np.ndarray, tokens: np.ndarray, valid: np.ndarray
) -> np.ndarray:
    logits = np.where(valid[:, None], features @ heads, -np.inf)
    table = scipy.special.log_softmax(logits, axis=-1)
    return -np.take_along_axis(table, tokens[..., None], -1)[..., 0].mean(axis=1)


def test_cross_entropy_equals_a_float64_sum() -> None:
    case = _cross_entropy_case()
    nats = losses.cross_entropy(*(jnp.asarray(x) for x in case))
    np.testing.assert_allclose(nats, _expected_nats(*case), rtol=1e-5)


@pytest.mark.parametrize("which", [0, 1], ids=["features", "heads"])
def test_its_gradient_is_the_quotient_of_differences(which: int) -> None:
    case = _cross_entropy_case()
    weights = np.asarray([0.3, -2.0])

    def loss(x: jax.Array) -> jax.Array:
        inputs = [jnp.asarray(each) for each in case]
        inputs[which] = x
        return jnp.sum(losses.cross_entropy(*inputs) * weights)

    value, found = jax.value_and_grad(loss)(jnp.asarray(case[which], jnp.float32))
    expected = np.zeros_like(case[which])
    for place in np.ndindex(expected.shape):
        shift = np.zeros_like(expected)
        shift[place] = 1e-5
        ends = []
        for sign in (1, -1):
            inputs = list(case)
            inputs[which] = case[which] + sign * shift
            ends.append(_expected_nats(*inputs) @ weights)
        expected[place] = (ends[0] - ends[1]) / 2e-5
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(value, _expected_nats(*case) @ weights, rtol=1e-5)


def test_logits_of_one_position_at_a_time_are_in_memory() -> None:
    params, statistics = _params()
    size = LAYOUT.vocabulary_size

    def loss(params: arrays.Params) -> jax.Array:
        return TRAINER.loss(params, statistics, _batch(0), jax.random.key(0))[0]

    text = str(jax.make_jaxpr(jax.grad(loss))(params))
    # Two crops of 6 frames of 3 tokens.
    assert f"f32[12,{size}]" in text
    for shape in (f"[3,12,{size}]", f"[2,6,3,{size}]", f"[12,3,{size}]"):
        assert shape not in text


def test_the_loss_is_the_mean_of_the_named_positions() -> None:
    assert isinstance(TRAINER, protocol.Objective)
    params, statistics = _params()
    loss, (_, metrics) = LOSS(params, statistics, _batch(0), jax.random.key(0))
    names = ("semantic", "coarse_0", "coarse_1")
    assert set(metrics) == {f"{x}/{y}" for x in ("loss", "perplexity") for y in names}
    nats = np.asarray([metrics[f"loss/{name}"] for name in names])
    np.testing.assert_allclose(loss, nats.mean(), rtol=1e-6)
    for name, value in zip(names, nats, strict=True):
        np.testing.assert_allclose(metrics[f"perplexity/{name}"], np.exp(value), 1e-5)


def test_the_loss_is_that_of_the_policy_that_samples() -> None:
    params, statistics = _params()
    batch = _batch(0)
    loss, _ = LOSS(params, statistics, batch, jax.random.key(0))
    tokens = batch["tokens"][:, 1:].astype(jnp.int32)
    policy = TRAINER.policy
    states = jax.jit(policy.frame_states)(params, tokens, batch["conditioning"])
    logits = jax.jit(policy.token_logits)(params, states, tokens)
    log_probs = jax.nn.log_softmax(logits, axis=-1)
    chosen = jnp.take_along_axis(log_probs, tokens[..., None], -1)
    np.testing.assert_allclose(loss, -chosen.mean(), rtol=1e-5)


def test_the_frame_before_counts_unless_the_crop_begins_its_clip() -> None:
    params, statistics = _params()

    def loss(offset: int, shift: int) -> float:
        batch = _batch(offset)
        tokens = batch["tokens"]
        batch["tokens"] = tokens.at[:, 0].set((tokens[:, 0] + shift) % 5)
        return float(LOSS(params, statistics, batch, jax.random.key(0))[0])

    assert loss(0, 0) == loss(0, 1)
    assert loss(9, 0) != loss(9, 1)


def test_noise_puts_the_next_clips_frames_into_half_of_the_pasts() -> None:
    clips, frames, most = 400, 50, 0.6
    own = jnp.broadcast_to(jnp.arange(clips)[:, None, None], (clips, frames, 2))
    mixed = objective.disturbed(own, jax.random.key(0), most)
    foreign = np.asarray(mixed != own)
    np.testing.assert_array_equal(foreign[..., 0], foreign[..., 1])
    np.testing.assert_array_equal(
        np.asarray(mixed)[foreign], np.asarray(jnp.roll(own, 1, axis=0))[foreign]
    )
    share = foreign[..., 0].mean(axis=1)
    assert abs(np.mean(share == 0) - 0.5) < 0.1
    assert most - 0.25 < share.max() < most + 0.25
    assert abs(share.mean() - most / 4) < 0.03
    calm = objective.disturbed(own, jax.random.key(0), 0.0)
    np.testing.assert_array_equal(calm, own)
