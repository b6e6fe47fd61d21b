"""JSON objects of a run that somebody may have broken: read, or refused by name."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from musicrl_jax.core import errors
from musicrl_jax.transport import store as stores

Made = TypeVar("Made")


def read(
    store: stores.Store,
    place: tuple[str, str],
    make: Callable[[dict[str, Any]], Made],
    remedy: str,
) -> Made | None:
    """Returns what `make` makes of the fields of an object; None where it is missing.

    Args:
      store: of the run.
      place: the run's directory, for the message, and the object's key.
      make: raises KeyError, TypeError or ValueError for fields that are unsuitable.
      remedy: a sentence: what to do where the object is broken.

    Raises:
      InputError: where it is no JSON object, or `make` refuses it; it names the file.
    """
    run_dir, key = place
    data = store.get(key)
    if data is None:
        return None
    try:
        fields = json.loads(data.decode())
        if not isinstance(fields, dict):
            raise TypeError(f"it is no object but {fields!r:.40}")
        return make(fields)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise errors.InputError(
            f"{run_dir.rstrip('/')}/{key} must be the JSON that `musicrl` wrote; "
            f"{errors.reason(error)}. {remedy}"
        ) from error


def check(
    fields: Mapping[str, Any], kinds: Mapping[str, type], needed: Sequence[str] = ()
) -> None:
    """Raises TypeError where a field is not of its kind, KeyError where it is missing.

    Only `needed` fields must be there. A whole number is a float too; true is none.
    """
    for name, kind in kinds.items():
        value = fields[name] if name in needed else fields.get(name, kind())
        wanted = (int, float) if kind is float else kind
        if isinstance(value, bool) or not isinstance(value, wanted):
            said = {dict: "an object", list: "a list", str: "text"}
            raise TypeError(
                f"{name} must be {said.get(kind, 'a number')}; got {value!r:.40}"
            )
