"""Splits descriptions into sentences."""

import re

_ABBREVIATIONS = frozenset({
    "approx", "dr", "e.g", "feat", "ft", "i.e", "jr", "mr", "mrs", "ms", "no", "op",
    "prof", "sr", "st", "vol", "vs",
})  # fmt: skip
_KEYS = "ABCDEFG"
_END = re.compile(
    r"""(?P<mark>[.!?\u2026]+)["'\u201d\u2019)\]]*\s+  # "... end." Next
    |   [\u3002\uff01\uff1f]+[\u300d\u300f\u201d]?\s*  # Chinese and Japanese marks
    """,
    re.VERBOSE,
)
_BULLET = re.compile(r"(?:[-*\u2022\u2013]|\d{1,3}[.)])\s+")


def split(text: str) -> list[str]:
    """Returns the sentences of a text, each on one line and with a letter or digit.

    A full stop ends a sentence before white space, unless it follows an abbreviation or
    an initial ("J. S. Bach", but not "in A."), or a small letter follows. Lines that
    begin with a bullet or a number, as in lists that language models write, are
    sentences of their own; other line breaks are spaces.
    """
    paragraphs: list[str] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        bullet = _BULLET.match(line)
        if bullet or not paragraphs:
            paragraphs.append(line[bullet.end() :] if bullet else line)
        else:
            paragraphs[-1] += " " + line
    return [sentence for part in paragraphs for sentence in _of_paragraph(part)]


def _of_paragraph(text: str) -> list[str]:
    text = " ".join(text.split())
    ends = [match.end() for match in _END.finditer(text) if _is_end(text, match)]
    starts = [0, *ends]
    parts = [
        text[start:end].strip()
        for start, end in zip(starts, [*ends, len(text)], strict=True)
    ]
    return [part for part in parts if any(sign.isalnum() for sign in part)]


def _is_end(text: str, match: re.Match[str]) -> bool:
    """Returns whether punctuation ends a sentence."""
    if match["mark"] != ".":
        return match["mark"] is None or not text[match.end() :][:1].islower()
    *_, previous, word = ["", "", *text[: match.start()].split()[-2:]]
    word = word.lstrip("(\"'\u201c\u2018")
    names_a_key = word in _KEYS and previous in {"in", "of"}
    initial = len(word) == 1 and word.isupper() and not names_a_key
    return not (
        initial or word.lower() in _ABBREVIATIONS or text[match.end() :][:1].islower()
    )
