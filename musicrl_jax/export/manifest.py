"""The SHA-256 of every file of an artefact, and of the manifest itself."""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from musicrl_jax.core import errors

NAME = "manifest.json"
SEAL = "manifest.sha256"
_FORMAT = 1


def write(folder: pathlib.Path, facts: Mapping[str, Any]) -> None:
    """Writes digest and size of all files in `folder`, beside `facts`.

    `manifest.sha256` is in the format of `sha256sum --check`.
    """
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": sha256(path),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (NAME, SEAL)
    }
    text = json.dumps({"format": _FORMAT, **facts, "files": files}, indent=1)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")
    line = f"{sha256(folder / NAME)}  {NAME}\n"
    (folder / SEAL).write_text(line, encoding="utf-8")


def check(folder: pathlib.Path) -> dict[str, Any]:
    """Returns the manifest of an artefact whose files are all as they were written.

    Raises:
      InputError: `folder` is no artefact, or a file is missing or damaged; names it.
    """
    if not (folder / NAME).is_file() or not (folder / SEAL).is_file():
        raise errors.InputError(
            f"An exported model holds {NAME} and {SEAL}; {folder} does not. Pass the "
            "--out of a `musicrl export`."
        )
    seal = (folder / SEAL).read_bytes()
    if seal != f"{sha256(folder / NAME)}  {NAME}\n".encode():
        raise _damaged(f"{NAME} (or {SEAL})")
    found = json.loads((folder / NAME).read_text(encoding="utf-8"))
    for name, facts in found["files"].items():
        path = folder / name
        if not path.is_file() or sha256(path) != facts["sha256"]:
            raise _damaged(name)
    return found


def sha256(path: pathlib.Path) -> str:
    """Returns the digest of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(name: str) -> errors.InputError:
    return errors.InputError(
        f"Files of an exported model must be as they were written; {name} is missing "
        "or damaged. Copy or export the model again."
    )
