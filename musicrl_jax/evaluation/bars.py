"""Bars as PNG: stacked shares and values with intervals, readable in grey print."""

import dataclasses
from collections.abc import Mapping, Sequence

from matplotlib import axes, figure, patches

from musicrl_jax.evaluation import figures

HATCHES = ("", "//", "..", "\\\\", "xx", "++", "oo", "--")
COLOURS = (*figures.COLOURS, "#F0E442", "#999999")
LEAST_SHARE = 0.06  # of a bar that has room for its number
LEGEND_COLUMNS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class StackedBar:
    """One bar of shares that follow one another.

    Attributes:
      label: on its left.
      shares: by name, in [0, 1].
      note: on its right.
    """

    label: str
    shares: Mapping[str, float]
    note: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval:
    """One value and its confidence interval."""

    label: str
    value: float
    low: float
    high: float
    note: str = ""


def stacked(
    bars: Sequence[StackedBar],
    title: str,
    styles: Mapping[str, int] | None = None,
) -> bytes:
    """Returns a PNG of horizontal bars, the first on top; see `draw_stacked`."""
    return figures.as_png(draw_stacked(bars, title, styles))


def draw_stacked(
    bars: Sequence[StackedBar],
    title: str,
    styles: Mapping[str, int] | None = None,
) -> figure.Figure:
    """Returns horizontal bars, the first on top; only what any bar has is named.

    Args:
      bars: with the same or different names of shares.
      title: above them.
      styles: number of the colour and hatch of a name; others are numbered as they
        come.
    """
    names = list(
        dict.fromkeys(
            name for bar in bars for name, share in bar.shares.items() if share > 0
        )
    )
    numbers = {name: place for place, name in enumerate(names)} | dict(styles or {})
    rows = -(-len(names) // LEGEND_COLUMNS)
    canvas, place = _canvas(len(bars), title, 0.35 * rows)
    for row, bar in enumerate(bars):
        left = 0.0
        for name, share in bar.shares.items():
            if share > 0:
                _draw_share(place, row, left, share, numbers[name])
            left += share
        place.annotate(
            bar.note, (max(left, 1.0), row), xytext=(6, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    _label_rows(place, [bar.label for bar in bars])
    place.set_xlim(0, 1)
    place.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    canvas.legend(
        handles=[_patch(name, numbers[name]) for name in names],
        loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize=8, frameon=False,
    )  # fmt: skip
    return canvas


def intervals(
    rows: Sequence[Interval], title: str, x_label: str, chance: float
) -> bytes:
    """Returns a PNG of points with their intervals, and a line at what chance gives."""
    canvas, place = _canvas(len(rows), title, 0.3)
    for number, row in enumerate(rows):
        place.plot(
            [row.low, row.high], [number, number], color=COLOURS[0], linewidth=2.2
        )
        place.plot([row.value], [number], marker="o", color=COLOURS[0], markersize=7)
        place.annotate(
            f"{row.value:.1f} {row.note}".strip(), (row.high, number), xytext=(6, 0),
            textcoords="offset points", va="center", fontsize=8,
        )  # fmt: skip
    place.axvline(chance, color="0.45", linewidth=1.2, linestyle=(0, (6, 3)))
    place.annotate(
        "chance", (chance, -0.5), xytext=(4, -2), textcoords="offset points",
        fontsize=8, color="0.35", va="top",
    )  # fmt: skip
    _label_rows(place, [row.label for row in rows])
    highest = max([chance, *(row.high for row in rows)])
    lowest = min([chance, *(row.low for row in rows)])
    room = max(highest - lowest, 1e-6)
    place.set_xlim(lowest - 0.05 * room, highest + 0.25 * room)
    place.set_xlabel(x_label)
    return figures.as_png(canvas)


def _canvas(
    rows: int, title: str, extra_inches: float
) -> tuple[figure.Figure, axes.Axes]:
    size = (8.4, 0.42 * rows + 1.1 + extra_inches)
    canvas = figure.Figure(figsize=size, layout="constrained")
    place = canvas.subplots()
    place.set_title(title, fontsize=11, loc="left")
    place.spines[["top", "right"]].set_visible(False)
    return canvas, place


def _draw_share(
    place: axes.Axes, row: int, left: float, share: float, number: int
) -> None:
    place.barh(
        row, share, left=left, height=0.66, color=COLOURS[number % len(COLOURS)],
        hatch=HATCHES[number % len(HATCHES)], edgecolor="white", linewidth=0.8,
    )  # fmt: skip
    if share >= LEAST_SHARE:
        place.text(
            left + share / 2, row, f"{100 * share:.1f}", ha="center", va="center",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "linewidth": 0},
        )  # fmt: skip


def _patch(name: str, number: int) -> patches.Patch:
    return patches.Patch(
        facecolor=COLOURS[number % len(COLOURS)],
        hatch=HATCHES[number % len(HATCHES)],
        edgecolor="white",
        label=name,
    )


def _label_rows(place: axes.Axes, labels: Sequence[str]) -> None:
    place.set_yticks(range(len(labels)), labels)
    place.set_ylim(len(labels) - 0.4, -0.6)
