"""The quality score against windows by hand, its padding, name and rescaling."""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.core import errors, protocols
from musicrl_jax.rewards import batches, combine, quality

RATE = 100
TOKENS = np.zeros((1, 4, 2), np.int32)


@dataclasses.dataclass(frozen=True)
class Loudness:
    """An "opinion" that is the mean amplitude times a gain."""

    sample_rate_hz: int = RATE
    simulated: bool = False

    def opinion(self, params: Mapping, waveform):
        return params["gain"] * jnp.mean(jnp.abs(waveform), axis=1)


def make_reward(*, clips_per_call=16, **fields):
    return quality.QualityReward(
        estimator=Loudness(**fields),
        params={"gain": np.float32(2.0)},
        config=batches.BatchConfig(clips_per_call=clips_per_call),
    )


def seconds(*pieces):
    """Returns a clip of (amplitude, seconds) pieces, of alternating sign."""
    clip = np.concatenate([np.full(round(s * RATE), level) for level, s in pieces])
    return (clip * (-1.0) ** np.arange(len(clip)))[None].astype(np.float32)


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        # 30 s: 0..20 s is half 0.2, half 0.8; 10..30 s half 0.8, half 0.4.
        (seconds((0.2, 10), (0.8, 10), (0.4, 10)), (0.5 + 0.6) / 2),
        # 50 s: 0..20 s and 30..50 s; the ten seconds between are not heard.
        (seconds((0.1, 20), (1.0, 10), (0.5, 20)), (0.1 + 0.5) / 2),
        # 6 s: 0..4 s and 2..6 s.
        (seconds((0.2, 2), (0.8, 2), (0.4, 2)), (0.5 + 0.6) / 2),
    ],
)
def test_score_is_the_mean_of_first_and_last_window(clip, expected):
    score = make_reward()(["a"], clip, TOKENS)["total"]
    np.testing.assert_allclose(score, [2 * expected], rtol=1e-5)
    assert score.dtype == np.float32


@pytest.mark.parametrize(
    ("length", "window"), [(10, 20 / 3), (29, 58 / 3), (30, 20), (31, 20), (600, 20)]
)
def test_windows_are_20_s_or_two_thirds(length, window):
    for rate in (16_000, 24_000):
        first, last = quality.first_last(length * rate, rate)
        assert first == slice(0, int(window * rate + 1e-6))
        assert last == slice(length * rate - first.stop, length * rate)


def test_scores_do_not_depend_on_batch_or_padding():
    reward = make_reward(clips_per_call=4)
    clips = np.random.default_rng(3).uniform(-1, 1, (9, 99)).astype(np.float32)
    together = reward([""] * 9, clips, None)["total"]
    alone = [reward([""], clip[None], None)["total"][0] for clip in clips]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_points_become_shares_and_the_raw_score_is_kept():
    clip = seconds((0.5, 6))
    for simulated, name in ((False, "quality"), (True, "simulated_quality")):
        part = quality.make_part(make_reward(simulated=simulated), weight=2.0)
        raw = np.float32(2.0) * 0.5
        scores = combine.LinearReward([part])(["a"], clip, TOKENS)
        assert set(scores) == {name, "total"}
        np.testing.assert_allclose(scores[name], [raw], rtol=1e-5)
        np.testing.assert_allclose(scores["total"], 2 * (raw - 1) / 4, atol=1e-6)


def test_no_clips_give_no_scores():
    scores = make_reward()([], np.zeros((0, 300), np.float32), None)
    assert scores["total"].shape == (0,)


def test_rejects_what_does_not_fit():
    with pytest.raises(errors.InputError, match="2 captions for 1 clips"):
        make_reward()(["a", "b"], np.zeros((1, 300), np.float32), None)
    with pytest.raises(errors.InputError, match="clips_per_call"):
        batches.BatchConfig(clips_per_call=0)


def test_is_a_reward():
    assert isinstance(make_reward(), protocols.Reward)
