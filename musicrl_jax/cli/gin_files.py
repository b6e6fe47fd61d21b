"""Finds gin files and reads their statements, without building anything."""

import dataclasses
import pathlib
import sys
import tokenize
from collections.abc import Iterator, Sequence

from gin import config_parser

from musicrl_jax.core import errors

CHECKOUT = pathlib.Path(__file__).parents[2]
INSTALLED = pathlib.Path(sys.prefix) / "share" / "musicrl-jax"

Statement = (
    config_parser.BindingStatement
    | config_parser.ImportStatement
    | config_parser.IncludeStatement
    | config_parser.BlockDeclaration
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """What a set of gin files speaks of.

    Attributes:
      bound: names left of an equals sign, such as `LearnerConfig`, each with the
        place ("file:line") of its first binding.
      referenced: names after an `@`, each with its first place.
    """

    bound: dict[str, str]
    referenced: dict[str, str]


class _Collector(config_parser.ParserDelegate):
    """Writes down the names after `@` in values; builds nothing."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def configurable_reference(
        self, scoped_configurable_name: str, evaluate: bool
    ) -> None:
        del evaluate
        self.names.append(scoped_configurable_name.rsplit("/", maxsplit=1)[-1])

    def macro(self, macro_name: str) -> None:
        del macro_name


def search_path() -> list[pathlib.Path]:
    """Returns where a relative path may lie: here, the checkout, the installation."""
    return [pathlib.Path.cwd(), CHECKOUT, INSTALLED]


def find(name: str) -> pathlib.Path:
    """Returns the file `name`: a path, or the bare name of an experiment.

    Raises:
      InputError: no such file; names what was looked for.
    """
    names = [name] if name.endswith(".gin") else [f"gin/experiments/{name}.gin", name]
    for folder in search_path():
        for candidate in names:
            if (folder / candidate).is_file():
                return folder / candidate
    raise errors.InputError(
        f"A gin file must exist; got {name!r}. Experiments here: "
        f"{', '.join(experiments()) or 'none'}."
    )


def experiments() -> list[str]:
    """Returns the names of the experiments that come with the package."""
    found = {
        path.stem
        for folder in (CHECKOUT, INSTALLED)
        for path in (folder / "gin" / "experiments").glob("*.gin")
    }
    return sorted(found)


def with_includes(name: str) -> list[pathlib.Path]:
    """Returns the file `name`, found as by `find`, and all that it includes.

    Raises:
      InputError: as `scan`, and where a file is not there.
    """
    scan([path := find(name)], [])
    found = [path]
    for statement, _ in statements(path.read_text(encoding="utf-8"), str(path)):
        if isinstance(statement, config_parser.IncludeStatement):
            found += with_includes(statement.filename)
    return found


def scan(paths: Sequence[pathlib.Path], params: Sequence[str]) -> Usage:
    """Reads files (with what they include) and single bindings.

    Raises:
      InputError: a file that cannot be read or parsed, or that imports a module.
    """
    usage = Usage(bound={}, referenced={})
    for path in paths:
        _scan_file(path, usage, including=())
    for param in params:
        _scan_text(param, "--gin_param", usage, including=())
    return usage


def _scan_file(
    path: pathlib.Path, usage: Usage, including: tuple[pathlib.Path, ...]
) -> None:
    if path in including:
        raise errors.InputError(f"A gin file must not include itself; {path} does.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(
            f"A gin file must be readable UTF-8 text; {path}: {error}."
        ) from error
    _scan_text(text, str(path), usage, (*including, path))


def _scan_text(
    text: str, source: str, usage: Usage, including: tuple[pathlib.Path, ...]
) -> None:
    for statement, references in statements(text, source):
        place = f"{source}:{statement.location.line_num}"
        if isinstance(statement, config_parser.ImportStatement):
            raise errors.InputError(
                f"Gin files bind what the package offers and import nothing; "
                f"{place} imports {statement.module}. Remove that line."
            )
        if isinstance(statement, config_parser.IncludeStatement):
            _scan_file(find(statement.filename), usage, including)
        elif isinstance(statement, config_parser.BindingStatement):
            if statement.arg_name:  # a macro (`steps = 3`) has none
                usage.bound.setdefault(statement.selector, place)
            for name in references:
                usage.referenced.setdefault(name, place)


def statements(text: str, source: str) -> Iterator[tuple[Statement, list[str]]]:
    """Yields each statement with the names it references.

    A block (`Name:` and indented lines) is parsed as a whole, so all its references
    come with its first binding.
    """
    collector = _Collector()
    try:
        for statement in config_parser.ConfigParser(text, collector):
            yield statement, collector.names
            collector.names = []
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        reason = " ".join(str(error).split())
        raise errors.InputError(
            f"Gin files must parse; {source}: {reason}. "
            "A binding reads Name.argument = value."
        ) from error
