"""Checks what gin binds against the annotations of configs."""

import inspect
import pathlib
import typing
from collections.abc import Callable
from typing import Any

from beartype import door

from musicrl_jax.core import errors

Value = Any
"""Whatever a gin file can say, and whatever a configurable takes or returns."""


def checked(target: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Returns `target` with every argument checked and converted before the call.

    Gin passes whatever a file says; a dataclass keeps whatever it is given.
    """
    hints = typing.get_type_hints(
        target.__init__ if isinstance(target, type) else target
    )

    def build(**arguments: Value) -> Value:
        if unknown := arguments.keys() - hints.keys():
            raise errors.InputError(
                f"{name} takes {', '.join(inspect.signature(target).parameters)}; "
                f"got {', '.join(sorted(unknown))}. Correct the name in gin."
            )
        converted = {
            argument: convert(value, hints[argument], f"{name}.{argument}")
            for argument, value in arguments.items()
        }
        return target(**converted)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = target.__doc__
    # Gin asks the signature which arguments may be bound, and for their defaults.
    build.__dict__["__signature__"] = inspect.signature(target)
    return build


def convert(value: Value, hint: Value, name: str) -> Value:
    """Returns `value` as `hint` wants it; whole numbers do for floats, text for paths.

    Raises:
      InputError: names the argument, the value and the type that it needs.
    """
    candidates = [value]
    if isinstance(value, int) and not isinstance(value, bool):
        candidates.append(float(value))
    if isinstance(value, str):
        candidates.append(pathlib.Path(value))
    for candidate in candidates:
        if door.is_bearable(candidate, hint):
            return candidate
    expected = hint.__name__ if isinstance(hint, type) else str(hint)
    raise errors.InputError(
        f"{name} must be {expected}; got {value!r}. Set {name} in gin."
    )
