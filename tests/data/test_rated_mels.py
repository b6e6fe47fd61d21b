"""Rated batches: crops keep their clip's scores and raters; the step decides all."""

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import rated_mels, ratings


def clip(name, scores):
    return ratings.RatedClip(
        path=name,
        origin="human",
        split="train",
        strength=0.0,
        raters=tuple(scores),
        scores=tuple(scores.values()),
    )


CLIPS = [clip("a", {"z": 4.0, "b": 2.0}), clip("b", {"b": 5.0})]


def test_score_table_has_a_place_for_each_score():
    numbers = rated_mels.rater_numbers(CLIPS)
    assert numbers == {"b": 0, "z": 1}
    scores, raters = rated_mels.score_table(CLIPS, numbers)
    np.testing.assert_array_equal(scores, [[4, 2], [5, 0]])
    np.testing.assert_array_equal(raters, [[1, 0], [0, -1]])


def batches(**changes):
    mels = [np.full((20 + i, 3), i, np.float16) for i in range(6)]
    scores = np.arange(6, dtype=np.float32)[:, None] + np.zeros((1, 2), np.float32)
    fields = {
        "mels": mels,
        "scores": scores,
        "raters": np.tile(np.arange(2, dtype=np.int32), (6, 1)),
        "batch_size": 5,
        "frames": (10, 20),
    }
    return rated_mels.RatedMelBatches(**(fields | changes))


def test_crops_keep_their_scores():
    for step in range(10):
        batch = batches().batch(step)
        np.testing.assert_array_equal(batch["mel"][:, 0, 0], batch["scores"][:, 0])
        assert (batch["mel"] == batch["mel"][:, :1, :1]).all()
        assert batch["raters"].shape == (5, 2)


def test_step_and_seed_decide_everything():
    lengths = set()
    for step in range(8):
        once, again = batches().batch(step), batches().batch(step)
        np.testing.assert_array_equal(once["mel"], again["mel"])
        lengths.add(once["mel"].shape[1])
    assert lengths == {10, 20}
    drawn = [batches(seed=seed).batch(0)["scores"].tolist() for seed in range(4)]
    assert any(scores != drawn[0] for scores in drawn)


def test_rejects_what_does_not_fit():
    with pytest.raises(errors.InputError, match="row of scores"):
        batches(mels=[np.zeros((20, 3), np.float16)])
    with pytest.raises(errors.InputError, match="batch size"):
        batches(batch_size=0)
