"""The preference score against windows by hand, its padding and its name."""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, protocols
from musicrl_jax.rewards import batches, combine, preference

RATE = 10.0
SILENCE = np.zeros((1, 8), np.float32)


@dataclasses.dataclass(frozen=True)
class MeanToken:
    """A "model" whose score is the mean token plus the caption's number."""

    frame_rate_hz: float = RATE
    clip_seconds: float = 20.0
    simulated: bool = False

    def score(self, params: Mapping, tokens, conditioning):
        mean = jnp.mean(tokens.astype(jnp.float32), axis=(1, 2))
        return params["gain"] * mean + conditioning[:, 0]


def make_reward(*, clips_per_call=16, **fields):
    return preference.PreferenceReward(
        model=MeanToken(**fields),
        params={"gain": np.float32(2.0)},
        condition=lambda captions: np.array([[len(text)] for text in captions]),
        config=batches.BatchConfig(clips_per_call=clips_per_call),
    )


def numbered(frames, clips=1):
    """Returns clips whose tokens are the numbers of their frames."""
    number = np.arange(frames)[None, :, None]
    return np.broadcast_to(number, (clips, frames, 3)).astype(np.int32)


@pytest.mark.parametrize(
    ("seconds", "learnt", "windows"),
    [
        # 30 s of a model that learnt from 20: frames 0 to 199 and 100 to 299.
        (30, 20, (99.5, 199.5)),
        # 50 s: frames 0 to 199 and 300 to 499; those between are not read.
        (50, 20, (99.5, 399.5)),
        # Clips of the length that it learnt from, and shorter ones, are heard whole.
        (20, 20, (99.5,)),
        (6, 20, (29.5,)),
        (5, 5, (24.5,)),
        # A model of 5 s hears the ends of longer clips.
        (6, 5, (24.5, 34.5)),
        (30, 5, (24.5, 274.5)),
    ],
)
def test_score_is_the_mean_of_windows_as_long_as_the_clips_learnt_from(
    seconds, learnt, windows
):
    reward = make_reward(clip_seconds=float(learnt))
    score = reward(["abc"], None, numbered(round(seconds * RATE)))["total"]
    np.testing.assert_allclose(score, [2 * np.mean(windows) + 3], rtol=1e-6)
    assert score.dtype == np.float32


def test_only_the_ends_of_a_long_clip_count():
    tokens = numbered(500)
    tokens = np.where(np.isin(tokens, np.arange(200, 300)), 7_000, tokens)
    plain = make_reward()([""], None, numbered(500))["total"]
    np.testing.assert_array_equal(make_reward()([""], None, tokens)["total"], plain)


def test_scores_do_not_depend_on_batch_or_padding():
    reward = make_reward(clips_per_call=4)
    clips = np.random.default_rng(3).integers(0, 99, (9, 60, 3)).astype(np.int32)
    captions = ["x" * number for number in range(9)]
    together = reward(captions, None, clips)["total"]
    alone = [
        reward([caption], None, clip[None])["total"][0]
        for caption, clip in zip(captions, clips, strict=True)
    ]
    np.testing.assert_array_equal(together, alone)


def test_the_name_says_whether_users_are_simulated():
    for simulated, name in (
        (False, "user_preference"),
        (True, "simulated_user_preference"),
    ):
        reward = make_reward(simulated=simulated)
        part = combine.Part(name=reward.name, reward=reward, weight=0.5)
        scores = combine.LinearReward([part])(["a"], SILENCE, numbered(60))
        assert set(scores) == {name, "total"}
        np.testing.assert_allclose(scores["total"], 0.5 * scores[name])


def test_a_part_of_weight_0_is_kept_and_adds_nothing():
    parts = [
        combine.Part(name=name, reward=make_reward(), weight=weight)
        for name, weight in (("trained", 1.0), ("watched", 0.0))
    ]
    scores = combine.LinearReward(parts)(["a"], SILENCE, numbered(60))
    np.testing.assert_array_equal(scores["total"], scores["trained"])
    np.testing.assert_array_equal(scores["watched"], scores["trained"])


def test_no_clips_give_no_scores():
    assert make_reward()([], None, numbered(60, clips=0))["total"].shape == (0,)


def test_rejects_what_does_not_fit():
    with pytest.raises(errors.InputError, match="2 captions for 1 clips"):
        make_reward()(["a", "b"], None, numbered(60))
    with pytest.raises(errors.InputError, match="clips_per_call"):
        batches.BatchConfig(clips_per_call=0)


def test_is_a_reward():
    assert isinstance(make_reward(), protocols.Reward)
