"""One network in one safetensors file, whose metadata holds its configuration."""

import json
import pathlib
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import PyTree
from numpy.typing import DTypeLike

from musicrl_jax.core import arrays, errors

Network = TypeVar("Network")

_FORMAT = "1"
_SCALE = "::scale"
_MATRIX = 2
_LENGTH = 8


def save_weights(
    path: str | pathlib.Path,
    params: PyTree,
    network: str,
    config: Mapping[str, object],
    dtype: DTypeLike = np.float16,
) -> None:
    """Writes what `weights_bytes` returns into one file.

    The file appears whole or not at all; missing folders are made.

    Raises:
      InputError: where a leaf is not finite in `dtype`, or the file cannot be written.
    """
    write_file(pathlib.Path(path), weights_bytes(params, network, config, dtype))


def weights_bytes(
    params: PyTree,
    network: str,
    config: Mapping[str, object],
    dtype: DTypeLike = np.float16,
) -> bytes:
    """Returns a file with the leaves of `params` under their "/"-joined paths.

    Args:
      params: nested mappings with arrays at the leaves.
      network: what the parameters belong to, such as "codec".
      config: the configuration of the network, which JSON can hold.
      dtype: of the stored floating-point leaves; others keep theirs. With int8, leaves
        of two or more axes are rounded to 255 steps of their column's largest
        magnitude (`<name>::scale`, float32), and the others are float16.

    Raises:
      InputError: where a leaf is not finite in `dtype`.
    """
    leaves: dict[str, np.ndarray] = {}
    for name, leaf in named_leaves(params).items():
        leaves |= _stored(name, np.asarray(leaf), np.dtype(dtype))
    metadata = {
        "network": network,
        "config": json.dumps(config, sort_keys=True),
        "format": _FORMAT,
    }
    return _ordered(safetensors.numpy.save(leaves, metadata=metadata))


def write_file(path: pathlib.Path, data: bytes) -> None:
    """Writes a file that appears whole or not at all.

    Raises:
      InputError: where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        if temporary.exists():
            temporary.unlink()
        raise errors.InputError(
            f"Weights must be written to a writable place; {path} failed with "
            f"{error.strerror}. Choose another path."
        ) from error


def read_config(path: str | pathlib.Path) -> tuple[str, dict[str, object]]:
    """Returns the network's name and its configuration.

    Raises:
      InputError: where the file is missing, damaged or from elsewhere.
    """
    with _open(path) as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != _FORMAT:
        raise errors.InputError(
            f"A weights file has format {_FORMAT!r} in its metadata; {path} has "
            f"{metadata.get('format')!r}. Write it with save_weights."
        )
    return metadata["network"], json.loads(metadata["config"], object_hook=renamed)


def renamed(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns a configuration of an older file in this version's words."""
    fused = fields.pop("fused_attention", None)
    if fused is None:
        return fields
    return {"attention": "xla" if fused else "einsum"} | fields


def load_weights(path: str | pathlib.Path, expected: PyTree) -> arrays.Params:
    """Returns the parameters in `path`, in the structure and dtypes of `expected`.

    Args:
      path: a file of `save_weights`.
      expected: the tree of `jax.ShapeDtypeStruct` that the network has.

    Raises:
      InputError: where the file is missing or damaged, or its leaves or their shapes
        are not those of `expected`.
    """
    wanted = named_leaves(expected)
    with _open(path) as file:
        _check_leaves(path, file, wanted)
        leaves = [
            jax.numpy.asarray(_tensor(file, name), leaf.dtype)
            for name, leaf in wanted.items()
        ]
    return jax.tree.unflatten(jax.tree.structure(expected), leaves)


def load_network(
    path: str | pathlib.Path,
    network: str,
    make: Callable[[dict[str, Any]], Network],
    expected: Callable[[Network], PyTree],
) -> tuple[Network, arrays.Params]:
    """Returns a network made from the configuration in `path`, and its parameters.

    Args:
      path: a file of `save_weights`.
      network: the kind that the file must hold, such as "codec".
      make: builds the network from the stored configuration.
      expected: the network's parameters as `load_weights` wants them.

    Raises:
      InputError: where the file is missing, damaged, of another kind, or of a version
        whose configuration `make` does not take.
    """
    made = make_network(path, network, make)
    return made, load_weights(path, expected(made))


def check_network(
    path: str | pathlib.Path,
    network: str,
    make: Callable[[dict[str, Any]], Network],
    expected: Callable[[Network], PyTree],
) -> None:
    """Refuses what `load_network` would, from the file's header alone.

    Raises:
      InputError: see `load_network`.
    """
    made = make_network(path, network, make)
    with _open(path) as file:
        _check_leaves(path, file, named_leaves(expected(made)))


def make_network(
    path: str | pathlib.Path, network: str, make: Callable[[dict[str, Any]], Network]
) -> Network:
    """Returns a network made from the configuration in `path`, without parameters.

    Raises:
      InputError: where the file is missing, damaged or of another network.
    """
    found, fields = read_config(path)
    if found != network:
        raise errors.InputError(
            f"{path} must hold a network of kind {network!r}; it holds {found!r}. "
            "Choose another file."
        )
    try:
        return make(fields)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise errors.InputError(
            f"The configuration in {path} must be one of this version's {network}; "
            f"{type(error).__name__}: {error}. Train the network again."
        ) from error


def read_leaves(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Returns every leaf in `path` by its "/"-joined name.

    Raises:
      InputError: where the file is missing or damaged.
    """
    with _open(path) as file:
        return {name: _tensor(file, name) for name in _leaf_names(file)}


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """Returns the leaves of `tree` by "/"-joined path, in the tree's own order."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _ordered(data: bytes) -> bytes:
    """Returns a safetensors file with its metadata in order of name.

    The library orders them anew at every call, so that files of the same weights would
    have different bytes.
    """
    size = int.from_bytes(data[:_LENGTH], "little")
    header = json.loads(data[_LENGTH : _LENGTH + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    # The format's own padding: tensors begin at a multiple of 8 bytes.
    text += b" " * (-len(text) % _LENGTH)
    return len(text).to_bytes(_LENGTH, "little") + text + data[_LENGTH + size :]


def _stored(name: str, leaf: np.ndarray, dtype: np.dtype) -> dict[str, np.ndarray]:
    """Returns the arrays that stand for one leaf in the file."""
    if not jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating):
        return {name: np.asarray(leaf, order="C")}
    if dtype == np.int8 and leaf.ndim >= _MATRIX:
        scale = np.max(np.abs(leaf), axis=-2, keepdims=True).astype(np.float32)
        scale = np.where(scale > 0, scale, 1.0) / 127
        rounded = np.round(leaf / scale).astype(np.int8)
        return {name: rounded, name + _SCALE: np.asarray(scale, np.float32, order="C")}
    dtype = np.dtype(np.float16) if dtype == np.int8 else dtype
    with np.errstate(over="ignore"):
        stored = np.asarray(leaf.astype(dtype), order="C")
    if not np.isfinite(stored.astype(np.float32)).all():
        raise errors.InputError(
            f"Stored weights must be finite in {dtype}; leaf {name!r} is not. "
            "Train again from an earlier step, or save with dtype float32."
        )
    return {name: stored}


def _leaf_names(file: safetensors.safe_open) -> set[str]:
    return {name for name in file.keys() if not name.endswith(_SCALE)}  # noqa: SIM118 - not a mapping


def _tensor(file: safetensors.safe_open, name: str) -> np.ndarray:
    """Returns a leaf, scaled back where it is stored as int8."""
    stored = file.get_tensor(name)
    if name + _SCALE not in file.keys():  # noqa: SIM118 - not a mapping
        return stored
    return stored.astype(np.float32) * file.get_tensor(name + _SCALE)


def _open(path: str | pathlib.Path) -> safetensors.safe_open:
    try:
        return safetensors.safe_open(str(path), framework="numpy")
    except (OSError, safetensors.SafetensorError) as error:
        raise errors.InputError(
            f"A weights file must be a whole safetensors file; {path} is not "
            f"({' '.join(str(error).split())}). Copy or train it again."
        ) from error


def _check_leaves(
    path: str | pathlib.Path, file: safetensors.safe_open, wanted: Mapping[str, Any]
) -> None:
    """Refuses a file with other leaves, or leaves of other shapes."""
    _check_names(path, _leaf_names(file), set(wanted))
    for name, leaf in wanted.items():
        shape = tuple(file.get_slice(name).get_shape())
        if shape != tuple(leaf.shape):
            raise errors.InputError(
                f"Leaf {name!r} must have shape {tuple(leaf.shape)}; {path} has "
                f"{shape}. Use the configuration that the file was trained with."
            )


def _check_names(path: str | pathlib.Path, found: set[str], wanted: set[str]) -> None:
    if found == wanted:
        return
    missing, extra = sorted(wanted - found)[:3], sorted(found - wanted)[:3]
    raise errors.InputError(
        f"A weights file must have just the network's leaves; {path} lacks {missing} "
        f"and has {extra} besides. Use the configuration that it was trained with."
    )
