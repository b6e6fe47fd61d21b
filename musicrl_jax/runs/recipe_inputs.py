"""The files that a step of a recipe reads from outside the recipe's folder."""

import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence

from musicrl_jax.runs import network_files

GinFiles = Callable[[str], Sequence[pathlib.Path]]
"""Returns a gin file by its name, and all files that it includes."""

PAIRS = "pairs.jsonl"
WITHOUT_NETWORKS = ("select", "report")


def no_gin_files(name: str) -> Sequence[pathlib.Path]:
    """Returns no files: `GinFiles` where nobody looks for them."""
    del name
    return ()


def of_step(
    commands: Sequence[Sequence[str]],
    *,
    networks: str,
    preferences: str,
    gin_files: GinFiles,
) -> dict[str, pathlib.Path]:
    """Returns the files of a step by the names that its record has for them.

    Args:
      commands: of the step.
      networks: their folder; empty for the starter's.
      preferences: folder of the preference set that is given; empty for none.
      gin_files: finds what `--gin_file` names.
    """
    found: dict[str, pathlib.Path] = {}
    for words in commands:
        for path in (path for name in _gin_names(words) for path in gin_files(name)):
            found[f"gin/{path.parent.name}/{path.name}"] = path
        if words[0] not in WITHOUT_NETWORKS:
            folder = network_files.directory(networks)
            weights = sorted(folder.glob("*.safetensors"))
            found |= {f"networks/{path.name}": path for path in weights}
        if preferences and preferences in words:
            found[f"preferences/{PAIRS}"] = pathlib.Path(preferences) / PAIRS
    return found


def _gin_names(words: Sequence[str]) -> Iterator[str]:
    for option, name in itertools.pairwise(words):
        if option == "--gin_file":
            yield name
