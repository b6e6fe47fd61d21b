"""Bars: as wide as their shares, told apart without colour."""

import io

import matplotlib.image
import numpy as np

from musicrl_jax.evaluation import bars


def grey(png):
    return matplotlib.image.imread(io.BytesIO(png))[..., :3].mean(axis=2)


def test_a_share_is_as_wide_as_it_says():
    def width(share):
        bar = bars.StackedBar(label="x", shares={"one": share, "two": 1 - share})
        drawn = matplotlib.image.imread(io.BytesIO(bars.stacked([bar], "title")))
        blue = (drawn[..., 2] > 0.6) & (drawn[..., 0] < 0.1)
        # The legend's patch is a small bit of the widest row.
        return blue.sum(axis=1).max()

    np.testing.assert_allclose(width(0.8) / width(0.4), 2.0, rtol=0.1)


def test_names_differ_by_more_than_colour():
    assert len(set(bars.COLOURS)) == len(bars.COLOURS)
    assert len(set(bars.HATCHES)) == len(bars.HATCHES) == len(bars.COLOURS)


def test_an_interval_is_where_it_says():
    row = bars.Interval(label="x", value=75.0, low=70.0, high=80.0)
    other = bars.Interval(label="y", value=55.0, low=52.5, high=57.5)
    drawn = matplotlib.image.imread(
        io.BytesIO(bars.intervals([row, other], "t", "accuracy", 50.0))
    )
    blue = (drawn[..., 2] > 0.6) & (drawn[..., 0] < 0.1)
    rows = np.flatnonzero(blue.any(axis=1))
    first = blue[: rows.mean().astype(int)].any(axis=0)
    second = blue[rows.mean().astype(int) :].any(axis=0)
    ratio = np.ptp(np.flatnonzero(first)) / np.ptp(np.flatnonzero(second))
    np.testing.assert_allclose(ratio, 2.0, rtol=0.15)
    assert np.flatnonzero(first).min() > np.flatnonzero(second).max()


def test_only_what_was_seen_is_named_with_one_decimal():
    shares = {"win": 113 / 200, "tie": 0.0, "loss": 87 / 200}
    canvas = bars.draw_stacked([bars.StackedBar(label="x", shares=shares)], "title")
    (legend,) = canvas.legends
    assert [text.get_text() for text in legend.get_texts()] == ["win", "loss"]
    (place,) = canvas.axes
    assert {"56.5", "43.5"} <= {text.get_text() for text in place.texts}
