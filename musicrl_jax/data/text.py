"""Captions to token ids: known words, and hashed buckets for all others."""

import collections
import dataclasses
import functools
import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from musicrl_jax.core import errors

WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # kana, Han, Hangul: one character
    r"|[^\W_]+(?:'[^\W_]+)*"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextTokenizer:
    """Word-level ids: 0 pads, then the known words, then the buckets.

    Attributes:
      words: known words as `words_of` writes them, without repetition.
      buckets: ids that unknown words share by hash.
      width: ids of a text; longer texts lose their end.
    """

    words: tuple[str, ...]
    buckets: int = 256
    width: int = 64

    def __post_init__(self) -> None:
        if self.buckets < 1 or self.width < 1:
            raise errors.InputError(
                "TextTokenizer.buckets and .width must be positive; got "
                f"{self.buckets} and {self.width}. Change them."
            )
        if len(set(self.words)) < len(self.words):
            raise errors.InputError(
                f"TextTokenizer.words must differ; {len(self.words)} were given, "
                f"{len(set(self.words))} of them different. Remove the others."
            )

    @classmethod
    def build(
        cls,
        texts: Iterable[str],
        *,
        max_words: int = 4096,
        min_count: int = 2,
        buckets: int = 256,
        width: int = 64,
    ) -> "TextTokenizer":
        """Returns a tokenizer of the most frequent words, ties by alphabet.

        Words seen less than `min_count` times are left to the buckets, so that
        training sees hashed words too.
        """
        counts = collections.Counter(word for text in texts for word in words_of(text))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        frequent = [word for word in ranked if counts[word] >= min_count]
        return cls(words=tuple(frequent[:max_words]), buckets=buckets, width=width)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "TextTokenizer":
        """Returns the tokenizer that `to_dict` described.

        Raises:
          InputError: for missing, unknown or bad fields.
        """
        try:
            return cls(**{**fields, "words": tuple(fields["words"])})
        except (KeyError, TypeError) as error:
            raise errors.InputError(
                f"A text tokenizer needs words, buckets and width; {error}. Use the "
                "file that was written with the model."
            ) from error

    @property
    def vocabulary_size(self) -> int:
        """Ids in all, padding among them."""
        return 1 + len(self.words) + self.buckets

    @functools.cached_property
    def _ids(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words, start=1)}

    def encode(self, texts: Sequence[str]) -> Int[np.ndarray, "b w"]:
        """Returns int32 ids, padded with 0; no row is empty.

        Raises:
          InputError: for a text that has nothing but white space.
        """
        ids = np.zeros((len(texts), self.width), np.int32)
        for row, text in zip(ids, texts, strict=True):
            words = words_of(text)[: self.width]
            if not words:
                raise errors.InputError(
                    f"A caption must have text; got {text!r}. Describe the music."
                )
            row[: len(words)] = [self._id(word) for word in words]
        return ids

    def known_share(self, text: str) -> float:
        """Returns the share of a text's words that are not hashed."""
        return 1 - len(self.unknown_words(text)) / max(1, len(words_of(text)))

    def unknown_words(self, text: str) -> list[str]:
        """Returns the words of a text that are hashed, in order, as often as there."""
        return [word for word in words_of(text) if word not in self._ids]

    def to_dict(self) -> dict[str, Any]:
        """Returns what `from_dict` reads, fit for JSON."""
        return dataclasses.asdict(self) | {"words": list(self.words)}

    def _id(self, word: str) -> int:
        bucket = zlib.crc32(word.encode()) % self.buckets
        return self._ids.get(word, 1 + len(self.words) + bucket)


def words_of(text: str) -> list[str]:
    """Returns the words of a text: NFKC, lower case, without punctuation.

    A text of nothing but signs (emoji, say) gives its characters.
    """
    normal = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return WORD.findall(normal) or [sign for sign in normal if not sign.isspace()]
