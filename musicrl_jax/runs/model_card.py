"""The starter's model card, written from what was measured."""

import collections
import itertools
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import writers
from musicrl_jax.data import manifest, text
from musicrl_jax.runs import stages

NAME = "MODEL_CARD.md"
_CURVE_POINTS = 6
_MEL_LOSS = "loss/mel"

_ROLES = {
    "codec": "waveform to residual codes and back",
    "soundstream": "waveform to residual codes and back, phase too; used by no other",
    "soundstorm": "the codec's coarse levels to its fine ones",
    "semantic": "waveform to one token a frame, about what is played",
    "mulan": "captions and audio to one space, and conditioning tokens",
    "musiclm": "the policy: conditioning tokens to clips",
    "attributes": "judge of genre and instrument that no reward uses",
    "quality": "mean opinion score, learnt from simulated raters",
}

_LIMITS = """\
## What it can and cannot do

It makes short instrumental pieces in the manner of its corpus: General MIDI
instruments of one soundfont, composed by rules. It is small enough to be fine-tuned on
two CPU cores, which is what it is for. It has heard no recording of people playing, no
voice and no lyrics; captions that speak of other things than genre, instruments, mood,
tempo and key are answered with the nearest of these. The codec has few bits, so fine
detail and high frequencies are rough. Figures above are of held-out clips of the same
composer: they say nothing about other music.
"""


def compose(
    rows: Sequence[manifest.ClipRow],
    assets: pathlib.Path,
    networks: pathlib.Path,
    runs: pathlib.Path,
) -> str:
    """Returns the card in Markdown.

    Args:
      rows: the corpus that the networks were trained on.
      assets: folder of the weights as they are shipped.
      networks: folder with the figures of each network beside its weights (JSON).
      runs: folder of `<network>/metrics.jsonl`, and of `stages/` where there is one.
    """
    records = stages.read_records(runs / "stages")
    parts = [
        "# The starter model",
        "Networks that `musicrl demo` and `musicrl generate` start from, all trained "
        "from scratch by this package on music that it composes itself. Every figure "
        "below was measured on the way.",
        _networks(assets, runs, records),
        "A question mark stands for what was not kept.",
        _corpus(rows),
        "## Figures",
        "On clips that no network was trained on. Losses are in nats.",
    ]
    for name in _ROLES:
        figures = _figures(name, networks, runs, records)
        if figures:
            parts += [f"### {name}", _table(("figure", "value"), figures.items())]
    curves = {name: curve(_metrics(runs / name / "metrics.jsonl")) for name in _ROLES}
    if any(curves.values()):
        head = (
            "network",
            "step: mean training loss since the step before (soundstream: of mel)",
        )
        lines = [(name, line) for name, line in curves.items() if line]
        parts += ["### Curves", _table(head, lines)]
    parts += [_LIMITS, _licence(rows)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def curve(rows: Sequence[Mapping[str, float | int]]) -> str:
    """Returns the training loss at about doubling steps, of `metrics.jsonl`'s rows.

    Each value is the mean of the rows since the one before, "step: loss, ...". Where
    there is no sum of losses, as with two optimizers, it is the mel loss.
    """
    key = "loss" if any("loss" in row for row in rows) else _MEL_LOSS
    told = [row for row in rows if key in row]
    ends = sorted({len(told) >> shift for shift in range(_CURVE_POINTS)} - {0})
    points = []
    for first, last in itertools.pairwise([0, *ends]):
        mean = sum(row[key] for row in told[first:last]) / (last - first)
        points.append(f"{int(told[last - 1]['step'])}: {_number(mean)}")
    return ", ".join(points)


def _networks(
    assets: pathlib.Path, runs: pathlib.Path, records: Mapping[str, Mapping[str, Any]]
) -> str:
    lines = []
    for name, role in _ROLES.items():
        path = assets / f"{name}.safetensors"
        metrics = _metrics(runs / name / "metrics.jsonl")
        steps = int(metrics[-1]["step"]) if metrics else "?"
        seconds = records.get(name, {}).get("seconds")
        minutes = "?" if seconds is None else f"{seconds / 60:.1f}"
        size = f"{path.stat().st_size / 1e6:.1f} MB"
        lines.append((name, role, f"{_count(path):,}", size, steps, minutes))
    head = ("network", "what it does", "parameters", "file", "steps", "minutes")
    return "## Networks\n\n" + _table(head, lines)


def _corpus(rows: Sequence[manifest.ClipRow]) -> str:
    splits = collections.Counter(row.split for row in rows)
    genres = sorted({row.attributes.get("genre", "") for row in rows} - {""})
    captions = [caption for row in rows for caption in row.captions]
    words = {word for caption in captions for word in text.words_of(caption)}
    hours = sum(row.duration_seconds for row in rows) / 3600
    counted = ", ".join(f"{count} {split}" for split, count in sorted(splits.items()))
    return (
        f"## Data\n\n{len(rows)} clips, {hours:.1f} hours ({counted}), with "
        f"{len(captions)} captions of {len(words)} different words. Genres: "
        f"{', '.join(genres)}. Clips of split `held_out_combination` have attributes "
        "that never occur together in training."
    )


def _figures(
    name: str,
    networks: pathlib.Path,
    runs: pathlib.Path,
    records: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """Returns a network's held-out figures, wherever its run left them."""
    found: dict[str, Any] = {}
    for row in _metrics(runs / name / "metrics.jsonl"):
        held_out = ("held_out/", "validation/")
        found |= {key: x for key, x in row.items() if key.startswith(held_out)}
    beside = networks / f"{name}.json"
    if beside.is_file():
        found |= json.loads(beside.read_text(encoding="utf-8"))
    found |= records.get(name, {}).get("figures", {})
    return {key: _number(x) for key, x in found.items() if isinstance(x, int | float)}


def _metrics(path: pathlib.Path) -> list[dict[str, float | int]]:
    return writers.read_json_lines(path) if path.is_file() else []


def _count(path: pathlib.Path) -> int:
    return sum(leaf.size for leaf in weights.read_leaves(path).values())


def _licence(rows: Sequence[manifest.ClipRow]) -> str:
    licences = ", ".join(sorted({row.licence or "unknown" for row in rows}))
    return (
        "## Licence\n\nWeights: Apache-2.0, as the package. "
        f"Clips they were trained on: {licences}."
    )


def _number(value: float) -> str:
    return f"{value:.4g}"


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
