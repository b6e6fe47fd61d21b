"""Scores of clips: what is named and heard, repetition, entropy, pairing."""

import fake_report
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicrl_jax.core import errors
from musicrl_jax.evaluation import prompts, scores


def score(named, heard, clips=None):
    asked = [
        prompts.Prompt(text="x", attributes={"genre": name} if name else {})
        for name in named
    ]
    scorer = scores.Scorer(
        reward=fake_report.Reward(),
        judge=lambda waveform: {"genre": heard, "mood": ["sad"] * len(heard)},
        layout=fake_report.LAYOUT,
        sample_rate_hz=fake_report.RATE,
    )
    return scorer(asked, clips or fake_report.make_clips(len(named), 0.5, seed=0))


def test_only_what_a_caption_names_is_judged():
    found = score(["tango", "", "house"], ["tango", "tango", "blues"])
    np.testing.assert_array_equal(found.correct["genre"], [1, np.nan, 0])
    assert np.isnan(found.correct["mood"]).all()
    np.testing.assert_array_equal(found.recovered, [1, np.nan, 0])


def test_recovered_averages_over_named_attributes():
    correct = {
        "genre": np.array([1, 0, np.nan, 1.0]),
        "lead": np.array([0, 0, np.nan, np.nan]),
    }
    found = scores.ClipScores(
        rewards={}, correct=correct, heard={}, sound={}, entropy={}
    )
    np.testing.assert_array_equal(found.recovered, [0.5, 0, np.nan, 1])


def test_sound_is_measured_clip_by_clip():
    clips = fake_report.make_clips(3, 0.5, seed=0)
    waveform = clips.waveform.copy()
    waveform[1] = 0
    waveform[2] = np.sign(waveform[2])
    found = score(
        ["tango"] * 3,
        ["tango"] * 3,
        scores.Clips(waveform=waveform, tokens=clips.tokens),
    )
    assert found.sound["silence"][1] == 1.0
    assert found.sound["clipping"][2] > 0.99
    assert found.sound["clipping"][0] == 0.0
    assert found.sound["level_dbfs"][2] > found.sound["level_dbfs"][0]


def test_repetition_counts_equal_neighbours():
    tokens = np.array([[[1, 2], [1, 3], [1, 3]], [[0, 0], [1, 1], [2, 2]]])
    np.testing.assert_allclose(scores.repetition(tokens), [0.75, 0.0])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 16), st.permutations(range(16)))
def test_entropy_of_uniform_tokens_is_the_log_of_their_number(count, names):
    one = np.asarray(names)[np.arange(count * 4) % count]
    tokens = np.tile(one[None, :, None], (2, 1, 3))
    entropy = scores.token_entropy(tokens, fake_report.LAYOUT)
    assert entropy == pytest.approx(
        {"semantic": np.log(count), "coarse": np.log(count)}
    )


def test_clips_and_prompts_must_pair_up():
    with pytest.raises(errors.InputError, match="2 prompts and 3 clips"):
        score(["tango"] * 2, ["tango"] * 2, fake_report.make_clips(3, 0.5, seed=0))
