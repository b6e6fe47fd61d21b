"""What is measured of clips made up by hand: means, errors, diversity, what is kept."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicrl_jax.acting import actor as actors
from musicrl_jax.core import layout, rng, trajectory
from musicrl_jax.evaluation import evaluator

LAYOUT = layout.TokenLayout(
    streams=(
        layout.Stream(name="semantic", codebook_size=16),
        layout.Stream(name="coarse", codebook_size=16, levels=2),
    )
)
CAPTIONS = ("a", "bb", "ccc", "dddd")
RATE = 1_000


def sample(params, conditioning, keys):
    del params
    draw = jax.vmap(lambda key: jax.random.randint(key, (5, 3), 0, 16))
    tokens = draw(keys)
    return trajectory.Generation(tokens=tokens, log_probs=jnp.zeros(tokens.shape))


def render(tokens):
    """Each clip is a constant: its first token, in sixteenths."""
    return jnp.repeat(tokens[:, 0, :1] / 16.0, 200, axis=1)


def reward(captions, waveform, tokens):
    length = np.array([len(caption) for caption in captions], np.float32)
    return {"length": length, "level": waveform[:, 0], "total": length}


def divergence(params, tokens, conditioning):
    return jnp.arange(2.0) + 1, jnp.array([1.0, 2.0, 4.0])


def make(clips_per_prompt=1, embed=None):
    keys = rng.clip_keys(jax.random.key(0), "evaluate", 0, 4 * clips_per_prompt)
    return evaluator.Evaluator(
        actor=actors.Actor(
            condition=lambda captions: np.zeros((len(captions), 2), np.int32),
            sample=sample,
            render=render,
            reward=reward,
        ),
        divergence=divergence,
        embed=embed,
        captions=CAPTIONS,
        keys=keys.reshape(clips_per_prompt, 4),
        clips=2,
        keep_audio=3,
        layout=LAYOUT,
        sample_rate_hz=RATE,
    )


def test_means_and_standard_errors_over_prompts():
    measured = make().measure({})
    assert measured.row["reward/length"] == 2.5
    # The standard deviation of 1, 2, 3, 4 is sqrt(5/3).
    assert measured.row["reward/length/se"] == pytest.approx(np.sqrt(5 / 3) / 2)
    np.testing.assert_array_equal(measured.rewards["length"], [1, 2, 3, 4])
    assert measured.row["kl/sequence"] == 1.5
    assert measured.row["kl/token"] == pytest.approx(0.1)
    assert measured.row["entropy/semantic"] == 1.0
    assert measured.row["entropy/coarse"] == 3.0
    assert "diversity" not in measured.row
    assert all(isinstance(x, float) for x in measured.row.values())


def test_the_first_clips_are_kept_and_more_clips_change_none_of_them():
    once, twice = make().measure({}), make(2).measure({})
    assert once.waveforms.shape == (3, 200)
    np.testing.assert_array_equal(once.waveforms, twice.waveforms)
    np.testing.assert_array_equal(once.waveforms[:, 0], once.rewards["level"][:3])


def test_a_prompts_score_is_the_mean_of_its_clips():
    passes = [
        render(sample({}, None, make(2).keys[number]).tokens)[:, 0]
        for number in range(2)
    ]
    measured = make(2).measure({})
    expected = np.mean([np.asarray(values) for values in passes], axis=0)
    np.testing.assert_allclose(measured.rewards["level"], expected)


def test_scores_that_are_not_finite_are_left_out_and_their_clips_counted():
    def broken(captions, waveform, tokens):
        scores = reward(captions, waveform, tokens)
        return scores | {"level": np.where(scores["length"] == 3, np.nan, 1.0)}

    good = make(2)
    bench = dataclasses.replace(
        good, actor=dataclasses.replace(good.actor, reward=broken)
    )
    measured = bench.measure({})
    assert measured.row["clips_rejected"] == 2.0
    np.testing.assert_array_equal(measured.rewards["length"], [1, 2, 3, 4])
    np.testing.assert_array_equal(measured.rewards["level"], [1, 1, np.nan, 1])
    assert measured.row["reward/level"] == 1.0
    assert measured.row["reward/level/se"] == 0.0
    assert good.measure({}).row["clips_rejected"] == 0.0


def test_finite_scores_of_a_prompt_are_its_mean():
    scores = np.array([[1.0, np.nan, np.inf], [3.0, 5.0, np.nan]])
    np.testing.assert_array_equal(evaluator.finite_mean(scores), [2.0, 5.0, np.nan])


def test_diversity_of_clips_that_are_all_alike_is_0():
    alike = make(3, embed=lambda waveform: np.ones((len(waveform), 4)))
    assert alike.measure({}).row["diversity"] == pytest.approx(0.0)


def test_pairwise_distance_agrees_with_all_pairs_by_hand():
    vectors = np.random.default_rng(0).normal(size=(5, 3, 8))
    by_hand = [
        1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        for clips in vectors
        for i, a in enumerate(clips)
        for b in clips[i + 1 :]
    ]
    assert evaluator.pairwise_distance(vectors) == pytest.approx(np.mean(by_hand))


def test_orthogonal_clips_have_distance_1():
    assert evaluator.pairwise_distance(np.eye(4)[None]) == pytest.approx(1.0)
