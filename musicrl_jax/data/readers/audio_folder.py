"""The audio files below a folder, and the captions beside them."""

import os
import pathlib
from collections.abc import Iterator

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items, tables

SUFFIXES = frozenset({
    ".aif", ".aifc", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus",
    ".rf64", ".snd", ".w64", ".wav",
})  # fmt: skip
"""Of files that a search takes for audio; what is in them decides afterwards."""
CAPTIONS = ".txt"


class AudioFolder:
    """The audio files of a folder and its subfolders.

    Hidden files and folders are left out; links to folders are not followed.

    Attributes:
      root: the folder.
      files: paths below it, with forward slashes, sorted.
    """

    def __init__(self, root: pathlib.Path) -> None:
        """Lists the files.

        Raises:
          InputError: where there is no such folder, or no audio in it.
          OSError: where a folder cannot be read.
        """
        if not root.is_dir():
            raise errors.InputError(
                f"The audio must lie in a folder; {root} is none. Correct the path."
            )
        self.root = root
        self.files = tuple(sorted(_search(root)))
        if not self.files:
            raise errors.InputError(
                f"{root} has no audio files ({', '.join(sorted(SUFFIXES))}). Correct "
                "the path."
            )
        self._known = frozenset(self.files)
        self._by_tail: dict[str, str] = {}
        for path in sorted(self.files, key=lambda path: (path.count("/"), path)):
            parts = stem(path).split("/")
            for start in range(len(parts)):
                self._by_tail.setdefault("/".join(parts[start:]), path)

    def find(self, place: str) -> str | None:
        """Returns the file at `place`, or where a copy of the data set has it.

        Copies put everything into a folder of its own, and convert or shorten files:
        `14/214.mp3` is also found as `audio/14/214.low.mp3`. Of several such files the
        one in the fewest folders is taken, then the first by alphabet.
        """
        return place if place in self._known else self._by_tail.get(stem(place))


def stem(place: str) -> str:
    """Returns a path without what follows the first dot of its last part."""
    folder, slash, name = place.rpartition("/")
    return folder + slash + name.split(".")[0]


def read_items(folder: AudioFolder) -> Iterator[items.Item | items.Problem]:
    """Yields the files in order, each with the captions of the `.txt` beside it.

    That file has one caption a line: `a.txt` belongs to `a.flac`. Where there is none,
    the item has no captions; where it is empty or not UTF-8 text, a problem is yielded
    too.
    """
    for row, file in enumerate(folder.files, start=1):
        captions: tuple[str, ...] = ()
        try:
            captions = _captions((folder.root / file).with_suffix(CAPTIONS))
        except ValueError as error:
            yield items.Problem(row=row, name=file, reason=str(error), kept=True)
        yield items.Item(row=row, identity=file, places=(file,), captions=captions)


def _captions(path: pathlib.Path) -> tuple[str, ...]:
    """Returns the captions of a file, none where there is no such file."""
    if not path.is_file():
        return ()
    content = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    if tables.broken([content]):
        raise ValueError(f"{path.name} must be UTF-8 text; it is not.")
    lines = (" ".join(line.split()) for line in content.splitlines())
    captions = tuple(dict.fromkeys(line for line in lines if line))
    if not captions:
        raise ValueError(f"{path.name} must have a caption on each line; it is empty.")
    return captions


def _search(root: pathlib.Path) -> Iterator[str]:
    """Yields audio files below `root`, in any order."""
    for folder, subfolders, names in os.walk(root, onerror=_refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        for name in names:
            path = pathlib.Path(folder, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                yield path.relative_to(root).as_posix()


def _refuse(error: OSError) -> None:
    raise error
