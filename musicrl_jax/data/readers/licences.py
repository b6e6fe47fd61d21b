"""`audio_licenses.txt` of MTG-Jamendo and Song Describer: the licence of each file.

Blocks of three lines, with an empty one or dashes between:

    14/214.mp3
    Title by Artist from Jamendo: http://www.jamendo.com/track/214
    Available under a Creative Commons ... license: http://creativecommons.org/...
"""

import pathlib
import re

from musicrl_jax.core import errors
from musicrl_jax.data.readers import audio_folder

_URL = re.compile(r"https?://\S+")


def read(path: pathlib.Path) -> dict[str, str]:
    """Returns the address of each file's licence, by `audio_folder.stem` of its path.

    A licence without an address is kept as its words. A block without all three lines
    gives no licence: better none than a wrong one.

    Raises:
      InputError: where the file has no such blocks.
      OSError: where it cannot be read.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    found: dict[str, str] = {}
    for block in re.split(r"\n(?:[ \t]*|--)(?:\n|$)", text.replace("\r\n", "\n")):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        if len(lines) >= 3:
            address = _URL.search(lines[-1])
            found[audio_folder.stem(lines[0])] = address[0] if address else lines[-1]
    if not found:
        raise errors.InputError(
            f"{path} must have blocks of path, title and licence; it has none. Use "
            "the audio_licenses.txt of the data set."
        )
    return found
