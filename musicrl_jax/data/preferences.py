"""Preference sets: which of two clips of one caption somebody liked better.

A set is a folder of three files:

pairs.jsonl        one JSON object a line, see `preference_rows.Preference`
tokens.npy         uint16 [n, f, q]: the clips as policy tokens, all of one length
preferences.json   the fields of `preference_rows.Facts` and any others

    {"caption": "calm piano", "a": 0, "b": 1, "choice": "a", "user": "u3",
     "source": "our page", "licence": "CC0"}
"""

import dataclasses
import json
import pathlib
import shutil
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt16

from musicrl_jax.core import errors
from musicrl_jax.data import preference_rows

PAIRS, TOKENS, FACTS = "pairs.jsonl", "tokens.npy", "preferences.json"
_AXES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreferenceSet:
    """A set that was read.

    Attributes:
      pairs: in the order of the file.
      tokens: policy tokens of the clips, mapped from the file.
      facts: of the whole set.
    """

    pairs: tuple[preference_rows.Preference, ...]
    tokens: UInt16[np.ndarray, "clips f q"]
    facts: preference_rows.Facts


def read_preferences(folder: pathlib.Path) -> PreferenceSet:
    """Reads a set; the tokens stay on disk until they are used.

    Raises:
      InputError: where a file is missing or broken, a row breaks a rule (its line is
        named), or rows and tokens do not belong together.
    """
    facts = _read_facts(folder / FACTS)
    tokens = _read_tokens(folder / TOKENS)
    if tokens.shape[2] != facts.tokens_per_frame:
        raise errors.InputError(
            f"{folder / TOKENS} must have {facts.tokens_per_frame} tokens a frame, as "
            f"{FACTS} says; it has {tokens.shape[2]}. Write both anew."
        )
    # Not splitlines: a caption may hold other marks that end a line.
    lines = _read_text(folder / PAIRS).split("\n")
    pairs = tuple(
        _parse(line, f"{folder / PAIRS}, line {number}", len(tokens))
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )
    if not pairs:
        raise errors.InputError(
            f"{folder / PAIRS} must hold pairs; it is empty. Write one JSON a line."
        )
    return PreferenceSet(pairs=pairs, tokens=tokens, facts=facts)


def write_preferences(
    folder: pathlib.Path,
    pairs: Sequence[preference_rows.Preference],
    tokens: Integer[np.ndarray, "clips f q"] | Sequence[Integer[np.ndarray, "f q"]],
    facts: preference_rows.Facts,
) -> None:
    """Writes a set; the folder appears whole or not at all.

    Args:
      folder: must not exist, or be empty.
      pairs: rows.
      tokens: of the clips, all of one length.
      facts: of the whole set.

    Raises:
      InputError: where clips differ in length, tokens do not fit 16 bits, rows point
        outside of them, or the folder is taken.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise errors.InputError(
            f"A preference set needs a folder of its own; {folder} has files. Choose "
            "another."
        )
    packed = _packed(tokens)
    for number, pair in enumerate(pairs, start=1):
        _check_rows(pair, f"pair {number}", len(packed))
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    try:
        np.save(temporary / TOKENS, packed)
        with (temporary / PAIRS).open("w", encoding="utf-8") as file:
            for pair in pairs:
                row = json.dumps(dataclasses.asdict(pair), ensure_ascii=False)
                file.write(row + "\n")
        about = dataclasses.asdict(facts)
        about = dict(about.pop("others")) | about
        (temporary / FACTS).write_text(json.dumps(about, indent=1), encoding="utf-8")
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _packed(
    tokens: Integer[np.ndarray, "clips f q"] | Sequence[Integer[np.ndarray, "f q"]],
) -> UInt16[np.ndarray, "clips f q"]:
    """Returns the clips as one array."""
    shapes = sorted({np.shape(clip) for clip in tokens})
    if len(shapes) != 1 or len(shapes[0]) != _AXES - 1:
        raise errors.InputError(
            "The clips of a preference set must have one length, or length alone could "
            f"tell which is preferred; got [f, q] of {shapes}. Cut them alike."
        )
    stacked = np.asarray(tokens)
    largest = np.iinfo(np.uint16).max
    if stacked.min() < 0 or stacked.max() > largest:
        raise errors.InputError(
            f"Tokens must lie in [0, {largest}]; got {stacked.min()} to "
            f"{stacked.max()}. Pass the policy's tokens."
        )
    return stacked.astype(np.uint16)


def _read_text(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError(
            f"A preference set needs a readable UTF-8 file {path}; "
            f"{errors.reason(error)}. Pass the folder of a set."
        ) from error


def _read_facts(path: pathlib.Path) -> preference_rows.Facts:
    fields = _object(_read_text(path), str(path))
    known = {field.name for field in dataclasses.fields(preference_rows.Facts)} - {
        "others"
    }
    own = {name: value for name, value in fields.items() if name in known}
    others = {name: value for name, value in fields.items() if name not in known}
    try:
        return preference_rows.Facts(**preference_rows.typed(own), others=others)
    except (TypeError, ValueError) as error:
        raise errors.InputError(f"{path}: {error}") from error


def _read_tokens(path: pathlib.Path) -> UInt16[np.ndarray, "clips f q"]:
    try:
        tokens = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise errors.InputError(
            f"A preference set needs a NumPy array {path}; {error}. Pass the folder of "
            "a set whose clips all have one length."
        ) from error
    if tokens.dtype != np.uint16 or tokens.ndim != _AXES or not tokens.size:
        raise errors.InputError(
            f"{path} must hold uint16 [clips, frames, tokens of a frame]; it holds "
            f"{tokens.dtype} {list(tokens.shape)}. Write it with write_preferences."
        )
    return tokens


def _object(line: str, place: str) -> dict[str, Any]:
    """Returns the JSON object in `line`."""
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise errors.InputError(
            f"{place} must be a JSON object; {error}. Mend it."
        ) from error
    if not isinstance(fields, dict):
        raise errors.InputError(
            f"{place} must be a JSON object; got {type(fields).__name__}. Mend it."
        )
    return fields


def _parse(line: str, place: str, clips: int) -> preference_rows.Preference:
    """Returns the pair of one line."""
    fields = _object(line, place)
    try:
        pair = preference_rows.Preference(**preference_rows.typed(fields))
    except (TypeError, ValueError) as error:
        raise errors.InputError(f"{place}: {error}") from error
    _check_rows(pair, place, clips)
    return pair


def _check_rows(pair: preference_rows.Preference, place: str, clips: int) -> None:
    if max(pair.a, pair.b) >= clips:
        raise errors.InputError(
            f"{place}: a and b must be rows of the {clips} clips in {TOKENS}; got "
            f"{pair.a} and {pair.b}. Mend the row or write the clips."
        )
