"""The pool of captions that fine-tuning draws its prompts from (section 4.1).

A pool file has one JSON object a line: `text`, `source`, `split`, `licence`. The split
of a caption follows from its words alone, so a caption that two sources have is never
on both sides.
"""

import collections
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Iterator

from musicrl_jax.core import errors
from musicrl_jax.data import captions, sentences, splits
from musicrl_jax.data.readers import items, musiccaps, texts

DESCRIPTIONS = "descriptions"
MUSICCAPS_SENTENCES = "musiccaps_sentences"
MUSICCAPS_TAGS = "musiccaps_tags"
PROMPTS = "prompts"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caption:
    """A caption of the pool.

    Attributes:
      text: on one line.
      source: one of the sources above.
      split: `splits.TRAIN` or `splits.HELD_OUT`.
      licence: of the text; empty where it is not known.
    """

    text: str
    source: str
    split: str = splits.TRAIN
    licence: str = ""


def from_descriptions(path: pathlib.Path) -> Iterator[list[Caption] | items.Problem]:
    """Yields the sentences of each description that a language model wrote."""
    for row in texts.read(path):
        if isinstance(row, items.Problem):
            yield row
        elif found := sentences.split(row.text):
            yield [
                Caption(text=text, source=DESCRIPTIONS, licence=row.licence)
                for text in found
            ]
        else:
            yield items.Problem(row=row.row, name="", reason="there is no sentence.")


def from_musiccaps(path: pathlib.Path) -> Iterator[list[Caption] | items.Problem]:
    """Yields each clip's sentences, and its list of tags as one more caption."""
    for row in musiccaps.read(path):
        if isinstance(row, items.Problem):
            yield row
            continue
        found = [(text, MUSICCAPS_SENTENCES) for text in sentences.split(row.caption)]
        if row.tags:
            found.append((row.tags, MUSICCAPS_TAGS))
        licence = musiccaps.CAPTION_LICENCE
        yield [
            Caption(text=text, source=source, licence=licence) for text, source in found
        ]


def from_prompts(path: pathlib.Path) -> Iterator[list[Caption] | items.Problem]:
    """Yields what users typed, as it is."""
    for row in texts.read(path):
        if isinstance(row, items.Problem):
            yield row
        else:
            text = " ".join(row.text.split())
            yield [Caption(text=text, source=PROMPTS, licence=row.licence)]


class Pool:
    """Collects captions: each once, each with its split.

    Attributes:
      counts: captions taken of each source and split.
      repeated: captions that were there before, in whatever letters and spacing; the
        first source keeps them.
    """

    def __init__(self, held_out_share: float) -> None:
        self.counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self.repeated = 0
        self._share = held_out_share
        self._seen: set[bytes] = set()

    def new(self, found: Iterable[Caption]) -> Iterator[Caption]:
        """Yields the captions that are new, with their splits."""
        for caption in found:
            words = key(caption.text)
            digest = hashlib.sha256(words.encode()).digest()[:16]
            if digest in self._seen:
                self.repeated += 1
                continue
            self._seen.add(digest)
            split = splits.split_of(words, self._share)
            self.counts[caption.source, split] += 1
            yield dataclasses.replace(caption, split=split)


def key(text: str) -> str:
    """Returns what makes a caption another one: its words, in whatever letters."""
    return " ".join(text.casefold().split())


def to_line(caption: Caption) -> str:
    """Returns the caption's line of a pool file."""
    return json.dumps(dataclasses.asdict(caption), ensure_ascii=False) + "\n"


def read(path: pathlib.Path) -> Iterator[Caption]:
    """Yields the captions of a pool file in order.

    Raises:
      InputError: for a missing file or a line that is none; it gives its number.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield Caption(**json.loads(line))
                except (TypeError, ValueError) as error:
                    raise errors.InputError(
                        f"{path} must be a caption pool; line {number} is not: {error}."
                        " Build it again with `musicrl pool`."
                    ) from error
    except OSError as error:
        raise errors.InputError(
            f"{path} must be a caption pool; {error}. Build it with `musicrl pool`."
        ) from error


def write_captions(pool: pathlib.Path, split: str, path: pathlib.Path) -> str:
    """Writes one split of a pool as a caption file and returns its hash.

    Raises:
      InputError: where the split has no captions.
    """
    chosen = (caption.text for caption in read(pool) if caption.split == split)
    return captions.build_caption_file(chosen, path)
