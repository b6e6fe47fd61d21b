"""MuLan's held-out pairs: which windows and captions are judged."""

import numpy as np

from musicrl_jax.runs import mulan_figures


def test_windows_are_whole_and_as_many_for_each_clip():
    mels = [np.arange(3 * n, dtype=np.float16).reshape(n, 3) for n in (10, 13, 17)]
    cut = mulan_figures.windows(mels, 4)
    assert cut.shape == (3, 2, 4, 3)
    for clip, mel in zip(cut, mels, strict=True):
        np.testing.assert_array_equal(clip.reshape(8, 3), mel[:8])


def test_no_caption_is_judged_twice():
    texts = [
        np.asarray([[1, 1], [2, 2]], np.int32),
        np.asarray([[1, 1], [3, 3]], np.int32),
        np.asarray([[2, 2]], np.int32),
        np.asarray([[4, 4]], np.int32),
    ]
    clips, partners = mulan_figures._distinct(texts, 10)
    assert clips.tolist() == [0, 1, 3]
    assert partners.tolist() == [[1, 1], [3, 3], [4, 4]]
    assert mulan_figures._distinct(texts, 2)[0].tolist() == [0, 1]
