"""Held-out clips that a starter brings along, as codes: the ceiling of its samples.

`references.npz` holds the codec's codes of clips that nothing was trained on,
`references.json` their captions and attributes; the first few are also there as
recorded (FLAC), to be heard beside what the codec makes of them.
"""

import dataclasses
import json
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.audio import waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.evaluation import prompts
from musicrl_jax.runs import reconstruction

CODES = "references.npz"
ABOUT = "references.json"
RECORDINGS = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class References:
    """Held-out clips.

    Attributes:
      prompts: a caption and the attributes of each; all of them, named in the caption
        or not.
      codes: of the codec.
      recordings: the first clips as recorded, as long as the codes.
    """

    prompts: tuple[prompts.Prompt, ...]
    codes: Int[np.ndarray, "c f l"]
    recordings: tuple[Float[np.ndarray, " n"], ...]


def write(
    directory: pathlib.Path,
    rows: Sequence[manifest.ClipRow],
    codec: reconstruction.Reconstructor,
    *,
    seed: int,
    count: int = 72,
    seconds: float = 10.0,
) -> None:
    """Chooses held-out clips, genres taking turns, and writes their codes.

    Raises:
      InputError: where the manifest holds out none.
    """
    chosen = _chosen(rows, count, seed)
    generator = np.random.default_rng((seed, 4))
    clips = reconstruction.windows(
        chosen, codec.codec.sample_rate_hz, seconds, generator
    )
    codes = codec.encode(clips)
    np.savez_compressed(directory / CODES, codes=codes.astype(np.uint16))
    about = [
        {"caption": row.captions[0], "attributes": dict(row.attributes)}
        for row in chosen
    ]
    text = json.dumps({"clips": about}, indent=1, ensure_ascii=False)
    (directory / ABOUT).write_text(text + "\n", encoding="utf-8")
    for number, clip in enumerate(clips[:RECORDINGS]):
        path = directory / _recording(number)
        waveform.write_wav(path, clip, codec.codec.sample_rate_hz)


def read(directory: pathlib.Path, sample_rate_hz: int) -> References:
    """Reads what `write` wrote.

    Raises:
      InputError: where a file is missing or damaged.
    """
    try:
        with np.load(directory / CODES) as arrays:
            codes = arrays["codes"].astype(np.int32)
        clips = json.loads((directory / ABOUT).read_text(encoding="utf-8"))["clips"]
        described = tuple(
            prompts.Prompt(text=clip["caption"], attributes=clip["attributes"])
            for clip in clips
        )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise errors.InputError(
            f"The reference clips in {directory} cannot be read ({error}). Write them "
            "again with `musicrl starter`."
        ) from error
    recordings = tuple(
        waveform.read_audio(directory / _recording(number), sample_rate_hz)
        for number in range(min(RECORDINGS, len(described)))
    )
    return References(prompts=described, codes=codes, recordings=recordings)


def decoded(
    found: References, codec: reconstruction.Reconstructor, seconds: float
) -> Float[np.ndarray, "c n"]:
    """Returns the first `seconds` of the clips, decoded from their codes."""
    rate = codec.codec.sample_rate_hz / codec.codec.samples_per_frame
    return codec.decode(found.codes[:, : max(1, round(seconds * rate))])


def _recording(number: int) -> str:
    return f"reference_{number}.flac"


def _chosen(
    rows: Sequence[manifest.ClipRow], count: int, seed: int
) -> list[manifest.ClipRow]:
    held_out = [row for row in rows if row.split == prompts.HELD_OUT]
    if not held_out:
        raise errors.InputError(
            f"Reference clips come from split {prompts.HELD_OUT!r}; the manifest has "
            "none. Hold out some clips."
        )
    generator = np.random.default_rng((seed, 3))
    shuffled = [held_out[index] for index in generator.permutation(len(held_out))]
    turns: dict[str, int] = {}
    ranks = []
    for row in shuffled:
        genre = row.attributes.get("genre", "")
        turns[genre] = turns.get(genre, -1) + 1
        ranks.append((turns[genre], genre))
    order = sorted(range(len(shuffled)), key=lambda index: ranks[index])
    return [shuffled[index] for index in order[:count]]
