"""The supervised loss against an independent sum, and what it leaves out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from musicrl_jax.core import layout
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


def test_cross_entropy_equals_a_float64_sum() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    tokens = np.random.default_rng(1).integers(0, 5, (2, 3, 4))
    table = scipy.special.log_softmax(logits.astype(np.float64), axis=-1)
    expected = -np.take_along_axis(table, tokens[..., None], -1)[..., 0].mean((0, 1))
    nats = losses.cross_entropy(jnp.asarray(logits), jnp.asarray(tokens))
    np.testing.assert_allclose(nats, expected, rtol=1e-5)


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
