"""Prompts from a text file, one a line or JSON lines."""

import pathlib

from musicrl_jax.core import errors
from musicrl_jax.data.readers import items, texts


def read(path: str) -> tuple[str, ...]:
    """Returns the prompts of a file in their order; empty lines are left out.

    Raises:
      InputError: where a line cannot be used, or there is none.
      OSError: where the file cannot be read.
    """
    found = list(texts.read(pathlib.Path(path)))
    bad = [row for row in found if isinstance(row, items.Problem)]
    if bad or not found:
        reason = f"line {bad[0].row}: {bad[0].reason}" if bad else "it has no text."
        raise errors.InputError(
            f"Each line of {path} must be a prompt; {reason} Mend the file."
        )
    return tuple(row.text for row in found if isinstance(row, texts.Text))
