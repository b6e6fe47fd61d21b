"""Labelled batches: rows keep their labels, groups their share, steps their content."""

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import labelled_mels


def make_group(first, clips, frames=20):
    mels = [
        np.full((frames + clip, 3), first + clip, np.float16) for clip in range(clips)
    ]
    labels = np.stack([np.arange(first, first + clips), np.zeros(clips)], axis=1)
    return labelled_mels.Group(mels=mels, labels=labels.astype(np.int32))


BATCHES = labelled_mels.LabelledMelBatches(
    groups=(make_group(0, 7), make_group(100, 2)), batch_size=6, frames=(10, 20), seed=3
)


def test_rows_carry_their_own_labels():
    for step in range(10):
        batch = BATCHES.batch(step)
        np.testing.assert_array_equal(batch["mel"][:, 0, 0], batch["labels"][:, 0])
        assert (batch["mel"] == batch["mel"][:, :1, :1]).all()


def test_groups_have_equal_shares_however_many_clips_they_have():
    labels = np.concatenate([BATCHES.batch(step)["labels"][:, 0] for step in range(9)])
    assert (labels >= 100).sum() * 2 == len(labels)
    assert set(labels) == {*range(7), 100, 101}


def test_step_decides_everything():
    lengths = set()
    for step in range(8):
        once, again = BATCHES.batch(step), BATCHES.batch(step)
        np.testing.assert_array_equal(once["mel"], again["mel"])
        np.testing.assert_array_equal(once["labels"], again["labels"])
        lengths.add(once["mel"].shape[1])
    assert lengths == {10, 20}
    assert any(
        (BATCHES.batch(step)["labels"] != BATCHES.batch(0)["labels"]).any()
        for step in range(1, 4)
    )


def test_rejects_what_does_not_fit():
    group = make_group(0, 2)
    with pytest.raises(errors.InputError, match="as many rows"):
        labelled_mels.Group(mels=group.mels, labels=group.labels[:1])
    with pytest.raises(errors.InputError, match="they divide"):
        labelled_mels.LabelledMelBatches(
            groups=(group, group), batch_size=5, frames=(4,)
        )
