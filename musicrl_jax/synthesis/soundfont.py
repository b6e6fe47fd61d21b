"""A soundfont that is loaded once and shared by short-lived synthesisers.

A used FluidSynth synthesiser keeps reverb phases that its reset does not clear, so
that a clip would depend on those before it. A new one for each clip costs 1 ms when
the soundfont (2 s to load) is not loaded again; pyfluidsynth lacks the two calls.
"""

import contextlib
import ctypes
import ctypes.util
import pathlib
from collections.abc import Iterator
from typing import Any

from musicrl_jax.core import errors

Synth = Any
"""A `fluidsynth.Synth`; its package cannot be imported without libfluidsynth."""

SYNTH_RATE_HZ = 32_000
GAIN = 0.5
LOG_LEVELS = 5


class Soundfont:
    """A loaded soundfont."""

    def __init__(self, path: pathlib.Path) -> None:
        """Loads the soundfont.

        Raises:
          InputError: where it is missing or not a soundfont, or FluidSynth is missing.
        """
        if not path.is_file():
            raise errors.InputError(
                f"The soundfont must be a file; {path} is not. Install one (Debian: "
                "musescore-general-soundfont-small) and set CorpusConfig.soundfont."
            )
        self._owner = _synth()
        self._library = _library()
        number = self._owner.sfload(str(path))
        if number < 0:
            raise errors.InputError(
                f"FluidSynth cannot read {path}. Give a soundfont (.sf2 or .sf3)."
            )
        self._font = self._library.fluid_synth_get_sfont_by_id(
            self._owner.synth, number
        )

    @contextlib.contextmanager
    def synthesiser(self) -> Iterator[tuple[Synth, int]]:
        """Lends a new synthesiser and this soundfont's number in it."""
        synth = _synth()
        synth.setting("synth.chorus.active", 0)
        number = self._library.fluid_synth_add_sfont(synth.synth, self._font)
        try:
            yield synth, number
        finally:
            self._library.fluid_synth_remove_sfont(synth.synth, self._font)
            synth.delete()


def _synth() -> Synth:
    """Returns a new synthesiser.

    Raises:
      InputError: pyfluidsynth or libfluidsynth is not installed.
    """
    try:
        import fluidsynth
    except ImportError as error:
        raise errors.InputError(
            f"Rendering needs pyfluidsynth and libfluidsynth; {error}. Install the "
            "extra `corpus` and the system library (Debian: libfluidsynth3)."
        ) from error
    return fluidsynth.Synth(gain=GAIN, samplerate=SYNTH_RATE_HZ)


def _library() -> ctypes.CDLL:
    """Returns libfluidsynth with the calls used here declared and its log quiet."""
    library = ctypes.CDLL(ctypes.util.find_library("fluidsynth"))
    pointer = ctypes.c_void_p
    library.fluid_synth_get_sfont_by_id.argtypes = [pointer, ctypes.c_int]
    library.fluid_synth_get_sfont_by_id.restype = pointer
    for function in (library.fluid_synth_add_sfont, library.fluid_synth_remove_sfont):
        function.argtypes = [pointer, pointer]
        function.restype = ctypes.c_int
    library.fluid_set_log_function.argtypes = [ctypes.c_int, pointer, pointer]
    for log_level in range(LOG_LEVELS):
        library.fluid_set_log_function(log_level, None, None)
    return library
