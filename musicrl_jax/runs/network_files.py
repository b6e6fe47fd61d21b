"""Where the pretrained networks lie."""

import importlib.resources
import pathlib

from musicrl_jax.core import errors

MUSICLM = "musiclm.safetensors"
MULAN = "mulan.safetensors"


def directory(directory: str = "") -> pathlib.Path:
    """Returns `directory`, or where the package keeps the starter's networks.

    Raises:
      InputError: there is no such directory.
    """
    path = pathlib.Path(directory) if directory else _packaged()
    if not path.is_dir():
        raise errors.InputError(
            f"The pretrained networks must lie in a directory; {path} is none. "
            "Pass the directory that `musicrl starter` wrote."
        )
    return path


def _packaged() -> pathlib.Path:
    with importlib.resources.as_file(
        importlib.resources.files("musicrl_jax") / "assets" / "starter"
    ) as path:
        return path
