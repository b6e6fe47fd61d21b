"""Builds a config from gin files, strictly: what has no effect is an error.

Everything here happens before a device is touched.
"""

import contextlib
import dataclasses
import logging
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gin
from gin import config_parser

from musicrl_jax.cli import arguments, configurables, gin_files
from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resolved:
    """A config and the gin text of every value in it, defaults included."""

    config: Any
    operative: str


def resolve(
    root: str,
    files: Sequence[pathlib.Path],
    params: Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None,
) -> Resolved:
    """Builds the config `root` from gin files and single bindings.

    Args:
      root: name of a config class in `configurables.CONFIGURABLES`.
      files: gin files, later ones over earlier ones.
      params: bindings such as `LearnerConfig.steps=10`, over the files.
      overrides: arguments of `root` that the command line set, over all; those of
        other configs as `Name.argument`.

    Raises:
      InputError: a file does not parse, a binding is unknown, has the wrong type or
        no effect, or a config refuses its values.
    """
    usage = gin_files.scan(files, params)
    gin.clear_config()
    _register(root, usage)
    try:
        with _without_words_of_each_folder():
            gin.parse_config_files_and_bindings(
                [str(path) for path in files], list(params), finalize_config=False
            )
        for name, value in (overrides or {}).items():
            gin.bind_parameter(name if "." in name else f"{root}.{name}", value)
        gin.finalize()
        config = gin.get_configurable(root)()
    except errors.InputError as error:
        raise errors.InputError(_first_line(error)) from error
    except (SyntaxError, ValueError, TypeError, NameError, RuntimeError) as error:
        raise errors.InputError(_one_line(error)) from error
    _refuse_inoperative(usage)
    return Resolved(config=config, operative=gin.operative_config_str())


@contextlib.contextmanager
def _without_words_of_each_folder() -> Iterator[None]:
    """Keeps gin from logging an error for each folder that a file is not in."""

    def is_of_use(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("Path not found")

    logging.getLogger().addFilter(is_of_use)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(is_of_use)


def _register(root: str, usage: gin_files.Usage) -> None:
    """Registers with gin just the names that these files use."""
    for folder in gin_files.search_path() if not _REGISTERED else ():
        gin.add_config_file_search_path(str(folder))
    places = {root: "the command"} | usage.referenced | usage.bound
    for name, place in places.items():
        configurables.check_known(name, place)
        if name not in _REGISTERED:
            gin.external_configurable(
                arguments.checked(configurables.load(name), name),
                name=name,
                module=configurables.full_module(name),
            )
            _REGISTERED.add(name)


_REGISTERED: set[str] = set()  # gin's own registry is one for the process


def _refuse_inoperative(usage: gin_files.Usage) -> None:
    """Compares what was bound with what was used in building the config."""
    used = _arguments(gin.operative_config_str())
    for scope, name, argument in sorted(_arguments(gin.config_str())):
        if any(
            (name, argument) == (other_name, other_argument)
            and f"{other_scope}/".startswith(f"{scope}/" if scope else "")
            for other_scope, other_name, other_argument in used
        ):
            continue
        binding = ".".join(part for part in (name, argument) if part)
        raise errors.InputError(
            f"Each gin binding must take effect; {binding} has none "
            f"({usage.bound.get(name, 'a macro that nothing uses')}). "
            f"Remove it, or reference @{name}() where it belongs."
        )


def _arguments(text: str) -> set[tuple[str, str, str]]:
    """Returns (scope, name, argument) of each binding in gin text."""
    return {
        (statement.scope, statement.selector.split(".")[-1], statement.arg_name)
        for statement, _ in gin_files.statements(text, "the configuration")
        if isinstance(statement, config_parser.BindingStatement)
    }


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].strip()


def _one_line(error: Exception) -> str:
    """Folds gin's many-line message into one, without class names and the config."""
    macro = re.search(r"No bindings specified for '(.+)/gin\.macro'", str(error))
    if macro:
        return (
            f"A gin macro must have a value; %{macro[1]} has none. Write "
            f"`{macro[1]} = ...` in a gin file or in --gin_param."
        )
    text = re.sub(r"\(<[^>]*>\)", "", str(error).split(" in config string:")[0])
    return "The gin configuration cannot be built: " + " ".join(text.split())
