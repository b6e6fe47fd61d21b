"""Figures as PNG: curves and spectrograms, readable without colour vision.

Lines differ by colour (Okabe and Ito's palette), dash and marker; spectrograms use a
map whose lightness rises evenly.
"""

import dataclasses
import io
import textwrap
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib import axes, figure, ticker
from matplotlib.artist import Artist

from musicrl_jax.audio import spectrogram

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
TITLE_CHARACTERS = 60
PANEL_INCHES = (5.2, 3.6)
# What fits beside, below and above the axes of a panel, and how often it may wrap.
PANEL_TITLE_CHARACTERS, X_LABEL_CHARACTERS, Y_LABEL_CHARACTERS = 52, 46, 32
MOST_LINES = 3
LEGEND_CHARACTERS = 60
LEGEND_COLUMNS = 3
LEGEND_INCHES = (0.8, 0.068)  # of an entry's symbol, and of each of its characters
DOTS_PER_INCH = 110
DYNAMIC_RANGE_DB = 70.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One curve.

    Attributes:
      label: for the legend; empty for none.
      points: draw a marker at each point and, with `line` False, nothing else.
      errors: half the height of a band around the curve; empty for none.
      style: number of its colour, dash and marker; None for its place in the panel.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    points: bool = False
    line: bool = True
    errors: Sequence[float] = ()
    style: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mark:
    """One point that stands out.

    Attributes:
      label: what it stands for; marks of one label look alike and are named once.
      symbol: a marker of matplotlib, `size` points wide.
    """

    label: str
    x: float
    y: float
    symbol: str
    size: float = 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    Attributes:
      limit: a level to mark with a grey line, and its name.
      marks: points that stand out.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    limit: tuple[float, str] | None = None
    marks: Sequence[Mark] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sound:
    """One waveform of a spectrogram grid."""

    title: str
    waveform: Float[np.ndarray, " n"]


def curves(
    panels: Sequence[Panel], columns: int = 2, *, one_legend: bool = False
) -> bytes:
    """Returns a PNG of panels, row by row; see `draw_curves`."""
    return as_png(draw_curves(panels, columns, one_legend=one_legend))


def draw_curves(
    panels: Sequence[Panel], columns: int = 2, *, one_legend: bool = False
) -> figure.Figure:
    """Returns panels, row by row; long titles, labels and names are wrapped.

    With `one_legend`, what the panels show is named once, below all of them.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    width, height = PANEL_INCHES
    size = (width * columns, height * rows)
    canvas = figure.Figure(figsize=size, layout="constrained")
    grid = list(canvas.subplots(rows, columns, squeeze=False).flat)
    for place, panel in zip(grid, panels, strict=False):
        _draw(place, panel)
        if not one_legend and any(x.label for x in (*panel.lines, *panel.marks)):
            place.legend(fontsize=8, frameon=False)
    for place in grid[len(panels) :]:
        place.set_visible(False)
    if one_legend:
        _legend_below(canvas, grid[: len(panels)])
    return canvas


def spectrograms(sounds: Sequence[Sequence[Sound]], sample_rate_hz: int) -> bytes:
    """Returns a PNG of log-mel spectrograms in dB, one row of sounds a row.

    All share one scale, whose top is the loudest value of all.
    """
    config = spectrogram.MelConfig(sample_rate_hz=sample_rate_hz, num_mels=96)
    images = [[_decibels(sound.waveform, config) for sound in row] for row in sounds]
    top = max(float(image.max()) for row in images for image in row)
    columns = max(len(row) for row in sounds)
    size = (4.6 * columns + 0.8, 2.1 * len(sounds) + 0.3)
    canvas = figure.Figure(figsize=size, layout="constrained")
    grid = canvas.subplots(len(sounds), columns, squeeze=False)
    shown = None
    for places, row, pictures in zip(grid, sounds, images, strict=True):
        for place, sound, picture in zip(places, row, pictures, strict=False):
            shown = place.imshow(
                picture.T,
                origin="lower",
                aspect="auto",
                cmap="magma",
                vmin=top - DYNAMIC_RANGE_DB,
                vmax=top,
                extent=(0, len(sound.waveform) / sample_rate_hz, 0, config.num_mels),
            )
            title = textwrap.shorten(sound.title, TITLE_CHARACTERS, placeholder=" ...")
            place.set_title(title, fontsize=9, loc="left")
            _mel_axis(place, config)
        places[0].set_ylabel("kHz")
    for place in grid[-1]:
        place.set_xlabel("seconds")
    if shown is not None:
        canvas.colorbar(shown, ax=grid, label="dB", fraction=0.02, pad=0.01)
    return as_png(canvas)


def _draw(place: axes.Axes, panel: Panel) -> None:
    for index, line in enumerate(panel.lines):
        _draw_line(place, line, index if line.style is None else line.style)
    _draw_marks(place, panel.marks)
    if panel.limit is not None:
        level, name = panel.limit
        place.axhline(level, color="0.45", linewidth=1.2, linestyle=(0, (6, 3)))
        corner = (0.02, level)
        place.annotate(
            name,
            corner,
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=8,
            color="0.35",
        )
    title = _wrapped(panel.title, PANEL_TITLE_CHARACTERS)
    place.set_title(title, fontsize=10.5, loc="left")
    place.set_xlabel(_wrapped(panel.x_label, X_LABEL_CHARACTERS))
    place.set_ylabel(_wrapped(panel.y_label, Y_LABEL_CHARACTERS))
    place.grid(visible=True, color="0.9", linewidth=0.8)
    place.spines[["top", "right"]].set_visible(False)


def _wrapped(text: str, characters: int) -> str:
    """Returns a text in lines of at most `characters`, the end of a long one cut."""
    lines = textwrap.wrap(text, characters, max_lines=MOST_LINES, placeholder=" ...")
    return "\n".join(lines)


def _legend_below(canvas: figure.Figure, places: Sequence[axes.Axes]) -> None:
    """Names the curves and marks of all panels once, in columns that fit."""
    found: dict[str, Artist] = {}
    for place in places:
        handles, labels = place.get_legend_handles_labels()
        found = dict(zip(labels, handles, strict=True)) | found
    names = [_wrapped(label, LEGEND_CHARACTERS) for label in found]
    longest = max((len(x) for name in names for x in name.splitlines()), default=0)
    symbol, character = LEGEND_INCHES
    room = int(canvas.get_figwidth() / (symbol + character * longest))
    canvas.legend(
        list(found.values()),
        names,
        loc="outside lower left",
        ncols=max(1, min(LEGEND_COLUMNS, room)),
        fontsize=8,
        frameon=False,
        handlelength=3.5,
    )


def _draw_line(place: axes.Axes, line: Line, style: int) -> None:
    """Draws one curve; after the last colour come the same with other dashes."""
    turn, number = divmod(style, len(COLOURS))
    colour = COLOURS[number]
    place.plot(
        line.x,
        line.y,
        color=colour,
        linestyle=DASHES[(number + turn) % len(DASHES)] if line.line else "none",
        marker=MARKERS[(number + 2 * turn) % len(MARKERS)] if line.points else None,
        markersize=4.5,
        linewidth=1.8,
        alpha=1.0 if line.line else 0.75,
        label=line.label or None,
    )
    if len(line.errors):
        middle, half = np.asarray(line.y), np.asarray(line.errors)
        if np.any(np.diff(np.asarray(line.x, float)) < 0):
            # A band needs an axis that only grows; KL does not.
            place.errorbar(
                line.x, middle, half, color=colour, alpha=0.4, fmt="none", linewidth=1
            )
            return
        place.fill_between(
            line.x, middle - half, middle + half, color=colour, alpha=0.15, linewidth=0
        )


def _draw_marks(place: axes.Axes, marks: Sequence[Mark]) -> None:
    for label in dict.fromkeys(mark.label for mark in marks):
        some = [mark for mark in marks if mark.label == label]
        place.plot(
            [mark.x for mark in some],
            [mark.y for mark in some],
            linestyle="none",
            marker=some[0].symbol,
            markersize=some[0].size,
            markerfacecolor="none",
            markeredgecolor="black",
            markeredgewidth=1.8,
            zorder=5,
            label=label,
        )


def _decibels(
    waveform: Float[np.ndarray, " n"], config: spectrogram.MelConfig
) -> Float[np.ndarray, "frames m"]:
    log = spectrogram.log_mel(jnp.asarray(waveform)[None], config)[0]
    return np.asarray(log) * (20 / np.log(10))


def _mel_axis(place: axes.Axes, config: spectrogram.MelConfig) -> None:
    """Labels mel bands with the frequencies at their places."""
    kilohertz = np.array([0.2, 0.5, 1.0, 2.0, 4.0, 7.0])
    kilohertz = kilohertz[kilohertz * 2000 <= config.sample_rate_hz]
    top = spectrogram.mel_from_hz(np.array([config.sample_rate_hz / 2]))[0]
    places = spectrogram.mel_from_hz(1000 * kilohertz) / top * config.num_mels
    place.yaxis.set_major_locator(ticker.FixedLocator(places.tolist()))
    place.yaxis.set_major_formatter(
        ticker.FixedFormatter([f"{value:g}" for value in kilohertz])
    )
    place.tick_params(labelsize=8)


def as_png(canvas: figure.Figure) -> bytes:
    """Returns a figure as a PNG file."""
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return buffer.getvalue()
