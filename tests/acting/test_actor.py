"""Where an actor's time goes: parts are told apart and add up."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.acting import actor as actors
from musicrl_jax.core import trajectory
from musicrl_jax.rewards import combine


class Fixed:
    def __call__(self, captions, waveform, tokens):
        return {"total": np.ones(len(captions), np.float32)}


class Render:
    """Says that it took 3 s to decode."""

    def __init__(self):
        self.seconds = {"decode": 3.0}

    def __call__(self, tokens):
        return jnp.zeros((len(tokens), 8))


def sample(params, conditioning, keys):
    tokens = jnp.zeros((2, 3, 2), jnp.int32)
    return trajectory.Generation(tokens=tokens, log_probs=jnp.zeros(tokens.shape))


def act(render, reward):
    clock = itertools.count()
    made = actors.Actor(
        condition=lambda captions: np.zeros((len(captions), 2), np.int32),
        sample=sample,
        render=render,
        reward=reward,
        clock=lambda: float(next(clock)),
    )
    return made.act({}, ["a", "b"], jax.random.split(jax.random.key(0), 2))


def test_parts_that_say_how_long_they_took_are_listed():
    # Each look at this clock moves it by 5 s.
    ticks = itertools.count(step=5)
    parts = [combine.Part(name=name, reward=Fixed()) for name in ("mulan", "quality")]
    reward = combine.LinearReward(parts, clock=lambda: float(next(ticks)))
    assert act(Render(), reward).seconds == {
        "sample": 1.0,
        "render": 1.0,
        "score": 1.0,
        "decode": 3.0,
        "reward/mulan": 5.0,
        "reward/quality": 5.0,
    }


def test_others_need_not():
    seconds = act(lambda tokens: jnp.zeros((2, 8)), Fixed()).seconds
    assert set(seconds) == {"sample", "render", "score"}


def test_weights_tell_what_is_trained():
    parts = [combine.Part(name="a", reward=Fixed(), weight=w) for w in (0.5,)]
    watched = combine.Part(name="b", reward=Fixed(), weight=0.0)
    reward = combine.LinearReward([*parts, watched])
    assert dict(reward.weights) == {"a": 0.5, "b": 0.0}
    scores = reward(["x"], np.zeros((1, 4), np.float32), np.zeros((1, 1, 1), int))
    assert scores["total"] == pytest.approx(0.5)
