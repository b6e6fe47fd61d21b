"""Sounds of a run in training, as files that any player opens."""

import pathlib
import re

from musicrl_jax.audio import waveform
from musicrl_jax.core import protocols
from musicrl_jax.evaluation import figures

KEEP = 5


class SampleFolder:
    """Writes `<step>-<name>.wav` and `<step>-spectrograms.png`; keeps the last few."""

    def __init__(self, folder: pathlib.Path, *, keep: int = KEEP) -> None:
        self._folder = folder
        self._keep = keep

    def write_samples(self, step: int, samples: protocols.Samples) -> None:
        """Writes the sounds of `step`, and removes those of the oldest steps."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, sound in samples.waveforms.items():
            path = self._folder / f"{step:07d}-{_file_name(name)}.wav"
            waveform.write_wav(path, sound, samples.sample_rate_hz)
        picture = self._folder / f"{step:07d}-spectrograms.png"
        picture.write_bytes(spectrograms(samples))
        self._remove_oldest()

    def _remove_oldest(self) -> None:
        ours = [p for p in self._folder.iterdir() if re.match(r"\d{7,}-", p.name)]
        steps = sorted({int(path.name.split("-")[0]) for path in ours})
        for path in ours:
            if int(path.name.split("-")[0]) in steps[: -self._keep]:
                path.unlink()


def spectrograms(samples: protocols.Samples) -> bytes:
    """Returns a PNG of the log-mel spectrograms, one sound below the other."""
    rows = [
        [figures.Sound(title=name, waveform=sound)]
        for name, sound in samples.waveforms.items()
    ]
    return figures.spectrograms(rows, samples.sample_rate_hz)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "_", name)
