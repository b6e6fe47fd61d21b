"""Weights as safetensors files of limited size, with an index of what lies where.

The index is that of Hugging Face's sharded checkpoints: `model.safetensors.index.json`
with "weight_map" (tensor to file) and "metadata" ("total_size" in bytes).
"""

import json
import pathlib
from collections.abc import Iterator, Mapping

import jax
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import arrays, errors

INDEX = "model.safetensors.index.json"


def write(folder: pathlib.Path, params: PyTree, most_bytes: int) -> int:
    """Writes the leaves of `params`, in their own precision; returns their bytes.

    Args:
      folder: made where it is missing.
      params: nested mappings with arrays at the leaves.
      most_bytes: of tensors in one file; a larger tensor has a file of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    leaves = {name: np.asarray(x) for name, x in weights.named_leaves(params).items()}
    shards = list(_shards(leaves, most_bytes))
    placed: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        tensors = {name: np.asarray(leaves[name], order="C") for name in names}
        safetensors.numpy.save_file(tensors, folder / file)
        (folder / file).chmod(0o644)  # the library keeps files to their owner
        placed |= dict.fromkeys(names, file)
    total = sum(leaf.nbytes for leaf in leaves.values())
    index = {"metadata": {"total_size": total}, "weight_map": placed}
    text = json.dumps(index, indent=1, sort_keys=True)
    (folder / INDEX).write_text(text + "\n", encoding="utf-8")
    return total


def read(folder: pathlib.Path, expected: PyTree) -> arrays.Params:
    """Returns what `write` wrote, in the structure and dtypes of `expected`.

    Raises:
      InputError: a file is missing or damaged, or the leaves are not `expected`'s.
    """
    wanted = weights.named_leaves(expected)
    found = read_leaves(folder)
    if {name: x.shape for name, x in found.items()} != {
        name: tuple(x.shape) for name, x in wanted.items()
    }:
        raise errors.InputError(
            f"The weights in {folder} must be those of its configuration; they have "
            "other names or shapes. Export the model again."
        )
    leaves = [jax.numpy.asarray(found[name], x.dtype) for name, x in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(expected), leaves)


def read_leaves(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns every tensor of a folder by name.

    Raises:
      InputError: a file is missing or damaged.
    """
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        files = sorted(set(index["weight_map"].values()))
        parts = [safetensors.numpy.load_file(folder / file) for file in files]
    except (OSError, ValueError, KeyError, safetensors.SafetensorError) as error:
        raise errors.InputError(
            f"Weights must lie in {folder} with {INDEX}; reading them failed "
            f"({' '.join(str(error).split())}). Export the model again."
        ) from error
    return {name: leaf for part in parts for name, leaf in part.items()}


def _shards(leaves: Mapping[str, np.ndarray], most_bytes: int) -> Iterator[list[str]]:
    """Yields the names of each file's tensors, in their own order."""
    names: list[str] = []
    size = 0
    for name, leaf in leaves.items():
        if names and size + leaf.nbytes > most_bytes:
            yield names
            names, size = [], 0
        names.append(name)
        size += leaf.nbytes
    yield names
