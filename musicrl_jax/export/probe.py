"""Asks an artefact's own `serve.py` for clips, where musicrl_jax cannot be imported.

    python -I probe.py ARTEFACT REQUEST.npz ANSWER.npz

The request holds "captions", "seed", "batches" (sizes) and "conditioning" of the
captions; the answer, for each size, what sampler and chain made of the first captions.
"""

import importlib.abc
import pathlib
import runpy
import sys
from collections.abc import Sequence
from types import ModuleType

HIDDEN = "musicrl_jax"


class Hide(importlib.abc.MetaPathFinder):
    """Refuses the package, wherever it is installed."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> None:
        """Refuses `fullname` where it is the package or in it.

        Raises:
          ModuleNotFoundError: it is.
        """
        del path, target
        if fullname.partition(".")[0] == HIDDEN:
            raise ModuleNotFoundError(f"{fullname} is hidden from this process")


def main(folder: pathlib.Path, request: pathlib.Path, answer: pathlib.Path) -> None:
    """Writes the answer to a request.

    Raises:
      ImportError: the package can be imported here, so that nothing would be shown.
    """
    sys.meta_path.insert(0, Hide())
    if _importable():
        raise ImportError(f"{HIDDEN} must not be importable here.")
    import numpy as np

    serve = runpy.run_path(str(folder / "serve.py"), run_name="serve")
    model = serve["Model"](folder)
    asked = np.load(request)
    captions, seed = [str(text) for text in asked["captions"]], int(asked["seed"])
    found = {}
    for size in asked["batches"]:
        keys = serve["clip_keys"](seed, int(size))
        sampled = model.sample(asked["conditioning"][:size], keys)
        made = model.music(captions[:size], seed)
        found[f"sampler_{size}"] = np.asarray(sampled["tokens"])
        found[f"music_{size}"] = np.asarray(made["tokens"])
        found[f"waveform_{size}"] = np.asarray(made["waveform"])
    first = np.asarray(model.music(captions[:1], seed)["waveform"])[0]
    wav = answer.with_suffix(".wav")
    serve["write_wav"](wav, first, model.config["sample_rate_hz"])
    np.savez(answer, **found)


def _importable() -> bool:
    """Returns whether the package can be, or has been, imported."""
    try:
        __import__(HIDDEN)
    except ModuleNotFoundError:
        return HIDDEN in sys.modules
    return True


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
