"""Checksums of what lies in a folder's subfolders, written once they are complete."""

import json
import pathlib
import zlib

NAME = "seal.json"
_CHUNK = 1 << 22


def seal(folder: pathlib.Path) -> None:
    """Writes size and CRC-32 of every file of the subfolders into `folder`."""
    sums = {
        str(path.relative_to(folder)): _sum(path)
        for path in sorted(folder.glob("*/**/*"))
        if path.is_file()
    }
    draft = folder / f".{NAME}"
    draft.write_text(json.dumps(sums), encoding="utf-8")
    draft.replace(folder / NAME)


def is_sealed(folder: pathlib.Path) -> bool:
    """Returns whether `folder` has a seal, whole or broken."""
    return (folder / NAME).is_file()


def damage(folder: pathlib.Path) -> str:
    """Returns what a sealed folder's damage is; empty where there is none."""
    try:
        sums = json.loads((folder / NAME).read_text(encoding="utf-8"))
        wrong = [name for name in sums if _sum(folder / name) != sums[name]]
    except FileNotFoundError as error:
        return f"{pathlib.Path(error.filename).name} is gone"
    except ValueError:
        return f"{NAME} is unreadable"
    return f"{wrong[0]} is not what was saved" if wrong else ""


def _sum(path: pathlib.Path) -> list[int]:
    size, crc = 0, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return [size, crc]
