"""Joins items with their recordings: rows of a manifest, and what was left out."""

import concurrent.futures
import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from musicrl_jax.audio import headers
from musicrl_jax.core import errors
from musicrl_jax.data import manifest, splits
from musicrl_jax.data.readers import audio_folder, items

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Joining:
    """How items become rows of a manifest.

    Attributes:
      folder: where the recordings are.
      base: folder of the manifest. Recordings below it get relative paths.
      licences: of recordings by `audio_folder.stem` of their place in the data set, for
        items that have none.
      licence: for all others.
      held_out_share: see `splits.split_of`; the key is the path below the audio folder
        without its suffix, so that a converted file stays in its split.
      workers: files opened at the same time.
    """

    folder: audio_folder.AudioFolder
    base: pathlib.Path
    licences: Mapping[str, str] = dataclasses.field(default_factory=dict)
    licence: str = ""
    held_out_share: float = 0.1
    workers: int = 8

    def join(
        self,
        found: Iterable[items.Item | items.Problem],
        progress: Progress | None = None,
    ) -> tuple[list[manifest.ClipRow], list[items.Problem]]:
        """Returns the rows by path and the problems by row.

        Neither depends on the order in which the file system lists files. Rows about
        the same recording are united: all captions, the labels of the first that has
        them. A row whose identity came before is a problem.
        """
        placed, problems = self._placed(found)
        rows = []
        for (path, grouped), header in zip(
            placed, self._headers([path for path, _ in placed], progress), strict=True
        ):
            if isinstance(header, headers.Header):
                rows.append(self._row(path, grouped, header))
            else:
                problems += [_problem(item, header) for item in grouped]
        return rows, sorted(problems, key=lambda problem: (problem.row, problem.name))

    def _placed(
        self, found: Iterable[items.Item | items.Problem]
    ) -> tuple[list[tuple[str, list[items.Item]]], list[items.Problem]]:
        """Returns the items of each recording, by path, and the problems."""
        by_path: dict[str, list[items.Item]] = {}
        problems: list[items.Problem] = []
        first_row: dict[str, int] = {}
        for item in found:
            if isinstance(item, items.Problem):
                problems.append(item)
            elif first_row.setdefault(item.identity, item.row) != item.row:
                reason = f"row {first_row[item.identity]} has the same identity."
                problems.append(_problem(item, reason))
            elif (path := self._find(item)) is None:
                reason = f"there is no audio file {' or '.join(item.places)}."
                problems.append(
                    dataclasses.replace(_problem(item, reason), absent=True)
                )
            elif not _is_text(path):
                problems.append(_problem(item, "the file's name is not UTF-8 text."))
            else:
                by_path.setdefault(path, []).append(item)
        return sorted(by_path.items()), problems

    def _find(self, item: items.Item) -> str | None:
        paths = (self.folder.find(place) for place in item.places)
        return next((path for path in paths if path is not None), None)

    def _headers(
        self, paths: Sequence[str], progress: Progress | None
    ) -> Iterator[headers.Header | str]:
        """Yields each file's header or what is wrong with it, in order."""
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            for done, header in enumerate(pool.map(self._header, paths), start=1):
                if progress is not None:
                    progress(done, len(paths))
                yield header

    def _header(self, path: str) -> headers.Header | str:
        try:
            return headers.read_header(self.folder.root / path)
        except errors.InputError as error:
            return str(error)

    def _row(
        self, path: str, grouped: Sequence[items.Item], header: headers.Header
    ) -> manifest.ClipRow:
        captions = [caption for item in grouped for caption in item.captions]
        attributes: dict[str, str] = {}
        for item in grouped:
            attributes = {**item.attributes, **attributes}
        key = pathlib.PurePosixPath(path).with_suffix("").as_posix()
        return manifest.ClipRow(
            path=self._written(path),
            duration_seconds=header.duration_seconds,
            sample_rate_hz=header.sample_rate_hz,
            captions=tuple(dict.fromkeys(captions)),
            attributes=dict(sorted(attributes.items())),
            split=splits.split_of(key, self.held_out_share),
            licence=self._licence(grouped),
        )

    def _written(self, path: str) -> str:
        """Returns the path as the manifest has it."""
        file = self.folder.root.absolute() / path
        base = self.base.absolute()
        return (file.relative_to(base) if base in file.parents else file).as_posix()

    def _licence(self, grouped: Sequence[items.Item]) -> str:
        own = [item.licence for item in grouped]
        places = [place for item in grouped for place in item.places]
        listed = [self.licences.get(audio_folder.stem(place), "") for place in places]
        return next(filter(None, [*own, *listed]), self.licence)


def _problem(item: items.Item, reason: str) -> items.Problem:
    return items.Problem(row=item.row, name=item.identity, reason=reason)


def _is_text(path: str) -> bool:
    """Returns whether a file's name can be written as UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
