"""Writes the captions of a plan, in the manner of the MusicCaps data set.

Each clip has several texts: a description of some sentences, a short one, prompts as
people type them, and a list of tags. The description also states key, tempo and metre,
as the captions of MusicBench do (Melechovsky et al., 2311.08355): genre, instruments
and mood alone leave many clips of a corpus with the same text. Words come from
`lexicon/*.toml`, whose lists repeat a word that shall come more often.
"""

import functools
import importlib.resources
import re
import tomllib
from collections.abc import Sequence
from typing import Any

import numpy as np

from musicrl_jax.synthesis import moods, plan

OTHERS = ("backing", "detail", "tempo", "mood", "scene")
COLOURS = ("backing", "detail", "scene")
"""Sentences that say little about one clip among those of its genre."""
CONSONANT_SOUNDS = ("uni", "use", "one", "eu", "uk", "ut")
VOWEL_SOUNDS = ("a", "e", "i", "o", "u", "8", "11", "18", "hour", "honest", "heir")
PLURAL = ("strings", "drums")


def write(clip: plan.ClipPlan, seed: int) -> tuple[str, ...]:
    """Returns six captions: long, medium, two prompts, one without genre, tags."""
    random = plan.generator(seed, clip.number, "captions")
    return (
        _full_description(clip, random),
        _description(clip, random),
        _text(clip, random, ["short"]),
        _text(clip, random, ["short"]),
        _text(clip, random, ["free"]),
        _tags(clip, random),
    )


@functools.cache
def lexicon(name: str) -> dict[str, Any]:
    """Returns one file of word lists: "genres", "moods" or "words"."""
    folder = importlib.resources.files("musicrl_jax.synthesis") / "lexicon"
    return tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))


def _full_description(clip: plan.ClipPlan, random: np.random.Generator) -> str:
    """Returns an opening and the lead; facts, mood and two others in any order."""
    colours = random.permutation(_kinds(clip, COLOURS))[:2].tolist()
    others = random.permutation(["facts", "mood", *colours]).tolist()
    return _text(clip, random, ["opening", "lead", *others])


def _description(clip: plan.ClipPlan, random: np.random.Generator) -> str:
    """Returns an opening, the lead instrument, and one other sentence."""
    kinds = _kinds(clip, OTHERS)
    return _text(clip, random, ["opening", "lead", pick(random, kinds)])


def _kinds(clip: plan.ClipPlan, kinds: Sequence[str]) -> list[str]:
    """Returns those kinds of sentences that a clip has something to say in."""
    return [kind for kind in kinds if kind != "backing" or _backing(clip)]


def _text(
    clip: plan.ClipPlan, random: np.random.Generator, kinds: Sequence[str]
) -> str:
    """Returns one sentence of each kind, slots filled anew in each."""
    sentences = lexicon("words")["sentences"]
    texts = []
    for kind in kinds:
        text = pick(random, sentences[kind]).format_map(_slots(clip, random))
        # Some names of genres end with the word that many sentences put after them.
        texts.append(with_articles(text).replace("music music", "music"))
    return " ".join(texts)


def _tags(clip: plan.ClipPlan, random: np.random.Generator) -> str:
    """Returns comma-separated words in any order, the genre always among them."""
    slots = _slots(clip, random)
    others = [
        slots["mood"],
        slots["mood2"],
        slots["tempo"],
        slots["style"],
        slots["lead"].removeprefix("a(n) "),
        slots["key"],
        "instrumental",
        f"{slots['bpm']} bpm",
    ]
    tags = [slots["genre"], *random.permutation(others)[: random.integers(3, 7)]]
    return ", ".join(random.permutation(tags).tolist())


def _slots(clip: plan.ClipPlan, random: np.random.Generator) -> dict[str, str]:
    """Returns what may fill each slot of a sentence, drawn from the lexicon."""
    words = lexicon("words")
    genre = lexicon("genres")[clip.genre.name]
    mood = lexicon("moods")[clip.mood]
    tempo = words["tempo"][clip.tempo_word]
    loud = moods.MOODS[clip.mood].force >= 1 and clip.tempo_word != "slow"
    first, second = random.permutation(sorted(set(mood["adjectives"])))[:2]
    slots = {
        "genre": pick(random, genre["names"]),
        "style": pick(random, genre["adjectives"]),
        "detail": pick(random, genre["details"]),
        "scene": pick(random, genre["scenes"]),
        "mood": pick(random, [*mood["adjectives"], first]),
        "mood2": second,
        "feeling": pick(random, mood["feelings"]),
        "picture": pick(random, mood["pictures"]),
        "tempo": pick(random, tempo["adjectives"]),
        "pace": pick(random, tempo["phrases"]),
        "bpm": str(clip.tempo),
        "metre": f"{clip.metre} time",
        "key": clip.key.name,
        "keyed": pick(random, words["keys"][clip.key.mode]).format(key=clip.key.name),
        "lead": _named(random, clip.lead),
        "backing": _joined(random, _backing(clip)),
        "verb": pick(random, words["verbs"]["high"]),
        "manner": pick(random, words["manners"]["loud" if loud else "soft"]),
    }
    return slots | {name.capitalize(): _capital(x) for name, x in slots.items()}


def _backing(clip: plan.ClipPlan) -> list[str]:
    """Returns the instruments beside the lead."""
    names = sorted({part.instrument for part in clip.genre.parts} - {clip.lead})
    return [*names, "drums"] if clip.genre.drums else names


def _joined(random: np.random.Generator, instruments: Sequence[str]) -> str:
    """Returns instruments as in "a double bass, a piano and drums"."""
    names = [_named(random, instrument) for instrument in instruments]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _named(random: np.random.Generator, instrument: str) -> str:
    """Returns one of an instrument's names with a placeholder for its article."""
    name = pick(random, lexicon("words")["instruments"].get(instrument, [instrument]))
    return name if name.endswith(PLURAL) else f"a(n) {name}"


def with_articles(text: str) -> str:
    """Returns the text with each "a(n)" as the following word needs it."""

    def article(match: re.Match[str]) -> str:
        word = match["word"].lower()
        vowel = word.startswith(VOWEL_SOUNDS) and not word.startswith(CONSONANT_SOUNDS)
        return f"{match['a']}{'n' if vowel else ''} {match['word']}"

    return re.sub(r"(?P<a>[Aa])\(n\) (?P<word>\S+)", article, text)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def pick(random: np.random.Generator, options: Sequence[str]) -> str:
    """Returns one of the options."""
    return options[int(random.integers(len(options)))]
