"""Metrics and sounds for TensorBoard, by the optional package tensorboardX."""

import importlib.util
import io
import pathlib
from collections.abc import Mapping

import numpy as np
from matplotlib import image

from musicrl_jax.core import errors, protocols
from musicrl_jax.runs import sample_folder


def require() -> None:
    """Refuses to go on where the package is missing.

    Raises:
      InputError: names it and the command that installs it.
    """
    if importlib.util.find_spec("tensorboardX") is None:
        raise errors.InputError(
            "TensorBoard needs the package tensorboardX, which is not installed. Run "
            "pip install -e '.[tensorboard]', or leave --tensorboard out."
        )


class TensorBoardWriter:
    """Writes scalars, sounds and their log-mel spectrograms as event files."""

    def __init__(self, folder: pathlib.Path, newest_step: int = 0) -> None:
        """Opens an event file.

        Args:
          folder: the log directory.
          newest_step: what the run goes on from; later rows of an earlier process are
            not shown.

        Raises:
          InputError: where tensorboardX is missing.
        """
        require()
        import tensorboardX

        folder.mkdir(parents=True, exist_ok=True)
        self._events = tensorboardX.SummaryWriter(
            str(folder), purge_step=newest_step + 1 if newest_step else None
        )

    def write(self, step: int, scalars: Mapping[str, float | int]) -> None:
        """Writes one row."""
        for name, value in scalars.items():
            self._events.add_scalar(name, float(value), step)

    def write_samples(self, step: int, samples: protocols.Samples) -> None:
        """Writes the sounds, and one picture of all their spectrograms."""
        for name, sound in samples.waveforms.items():
            clipped = np.clip(sound, -1.0, 1.0)
            self._events.add_audio(name, clipped, step, samples.sample_rate_hz)
        picture = image.imread(io.BytesIO(sample_folder.spectrograms(samples)))
        self._events.add_image(
            "spectrograms", picture[..., :3], step, dataformats="HWC"
        )
        self._events.flush()

    def close(self) -> None:
        """Writes what is left, and ends the thread that writes."""
        self._events.close()
