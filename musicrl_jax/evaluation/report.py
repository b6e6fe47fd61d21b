"""The report: one HTML file that needs nothing else, JSON, CSV and PNG files."""

import json
import pathlib
from collections.abc import Mapping, Sequence

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.evaluation import (
    charts,
    comparison,
    figures,
    page,
    report_data,
    report_files,
)


def write(directory: pathlib.Path, data: report_data.ReportData) -> str:
    """Writes `report.html`, `report.json`, `scores.csv`, `figures/` and `audio/`.

    Returns:
      The summary in plain words, about ten lines.

    Raises:
      InputError: where the directory cannot be written to.
    """
    try:
        (directory / "figures").mkdir(parents=True, exist_ok=True)
        (directory / "audio").mkdir(exist_ok=True)
    except OSError as error:
        raise errors.InputError(
            f"A report needs a writable directory; {directory} failed with "
            f"{error.strerror}. Choose another --out."
        ) from error
    pictures = charts.draw(data.comparison, data.facts, data.kl)
    pictures |= _spectrograms(data)
    for name, png in pictures.items():
        (directory / "figures" / f"{name}.png").write_bytes(png)
    audio = report_files.write_audio(directory, data)
    (directory / "report.json").write_text(
        json.dumps(report_files.as_json(data, audio), indent=1, ensure_ascii=False)
        + "\n",
        encoding="utf-8",
    )
    report_files.write_csv(directory / "scores.csv", data.comparison)
    lines = data.lines(str(directory / "report.html"))
    html = _render(data, pictures, lines)
    (directory / "report.html").write_text(html, encoding="utf-8")
    return "\n".join(lines)


def _spectrograms(data: report_data.ReportData) -> dict[str, bytes]:
    """Returns one picture an example, and one of the codec's references."""
    found = {}
    for example in data.examples:
        row = [
            figures.Sound(title=report_files.BEFORE, waveform=example.before),
            figures.Sound(title=report_files.AFTER, waveform=example.after),
        ]
        found[f"prompt_{example.index:03d}"] = figures.spectrograms(
            [row], data.sample_rate_hz
        )
    if data.references:
        rows = [
            [
                figures.Sound(title=f"held-out clip {number}", waveform=item.recording),
                figures.Sound(title="through the codec", waveform=item.codec),
            ]
            for number, item in enumerate(data.references, start=1)
        ]
        found["codec"] = figures.spectrograms(rows, data.sample_rate_hz)
    return found


def _render(
    data: report_data.ReportData, pictures: Mapping[str, bytes], lines: Sequence[str]
) -> str:
    """Returns the page; text is escaped by the template engine."""
    environment = page.environment(pictures)
    environment.filters["flac"] = lambda clip: page.data_url(
        "audio/flac", waveform.flac_bytes(clip, data.sample_rate_hz)
    )
    template = environment.get_template("report.html.j2")
    return template.render(
        data=data,
        lines=lines,
        rows=data.comparison.rows,
        groups=comparison.GROUPS,
        charts=[chart for chart in charts.CAPTIONS.items() if chart[0] in pictures],
    )
