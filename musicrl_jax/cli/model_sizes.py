"""The files of `gin/models`, each with the parameters of the network it describes."""

import pathlib
from typing import Any

from musicrl_jax.cli import bindings, gin_files
from musicrl_jax.core import errors

LAYOUTS = {"base": "gin/models/layout_full.gin"}
"""Token layouts of the sizes that do not have the starter's."""
OF_TOKENS = ("musiclm", "preference")
"""Networks that read or write policy tokens."""


def describe(network: str | None, size: str | None) -> list[dict[str, Any]]:
    """Returns network, size, parameters, parts and gin file of each file that fits.

    Raises:
      InputError: where there is no such network or size; names those there are.
    """
    files = _files()
    wanted = [
        (name, path)
        for name, path in sorted(files.items())
        if network in (None, name[0]) and size in (None, name[1])
    ]
    if not wanted:
        known = ", ".join("_".join(name) for name in sorted(files))
        raise errors.InputError(
            f"Networks and sizes are {known}; got {network or 'any'} and "
            f"{size or 'any'}. Choose one of these."
        )
    return [_row(*name, path) for name, path in wanted]


def short(row: dict[str, Any]) -> dict[str, str]:
    """Returns a row for people: grouped digits, parts from a hundredth up, no file."""
    least = row["parameters"] / 100
    parts = (f"{name} {n:,}" for name, n in row["parts"].items() if n >= least)
    return {
        "network": row["network"],
        "size": row["size"],
        "parameters": f"{row['parameters']:,}",
        "parts": ", ".join(parts),
    }


def _row(network: str, size: str, path: pathlib.Path) -> dict[str, Any]:
    from musicrl_jax.runs import describe as sizes

    (name,) = gin_files.scan([path], ()).bound
    config = bindings.resolve(name, [path]).config
    layout = trunk = None
    if network in OF_TOKENS and size in LAYOUTS:
        layout_file = gin_files.find(LAYOUTS[size])
        layout = bindings.resolve("make_layout", [layout_file]).config
    if network == "preference":
        trunk_file = gin_files.find(f"gin/models/musiclm_{size}.gin")
        trunk = bindings.resolve("MusicLMConfig", [trunk_file]).config
    shapes = sizes.parameters(config, layout, trunk)
    return {
        "network": network,
        "size": size,
        "parameters": sizes.count(shapes),
        "parts": sizes.parts(shapes),
        "file": f"gin/models/{path.name}",
    }


def _files() -> dict[tuple[str, str], pathlib.Path]:
    """Returns the file of each (network, size)."""
    found = {}
    for folder in (gin_files.INSTALLED, gin_files.CHECKOUT):
        for path in (folder / "gin" / "models").glob("*_*.gin"):
            network, size = path.stem.rsplit("_", maxsplit=1)
            if network != "layout":
                found[network, size] = path
    return found
