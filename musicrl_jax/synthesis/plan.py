"""What clip number n of a corpus is, before a note is written."""

import dataclasses

import numpy as np

from musicrl_jax.synthesis import moods, style, theory
from musicrl_jax.synthesis.genres import acoustic, band, electronic

GENRES = electronic.GENRES + band.GENRES + acoustic.GENRES
HELD_OUT_COMBINATIONS = frozenset(
    {
        ("tango", "violin"),
        ("reggae", "trumpet"),
        ("disco", "saxophone"),
        ("drum and bass", "flute"),
        ("hip hop", "vibraphone"),
        ("waltz", "strings"),
    }
)
"""(genre, lead) pairs that training never hears, each half of which it does."""
HELD_OUT_EVERY = 20
TEMPO_WORDS = ((90, "slow"), (125, "moderate"), (1_000, "fast"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """The choices that a clip's notes and captions follow.

    Attributes:
      number: of the clip in its corpus.
      split: "train", "held_out" or "held_out_combination".
      tempo: beats (quarter notes) a minute.
    """

    number: int
    genre: style.Genre
    lead: str
    mood: str
    key: theory.Key
    tempo: int
    split: str

    @property
    def tempo_word(self) -> str:
        """One of `TEMPO_WORDS`."""
        return next(word for limit, word in TEMPO_WORDS if self.tempo < limit)

    @property
    def metre(self) -> str:
        """The time signature, such as "3/4"."""
        return f"{self.genre.beats}/4"

    @property
    def attributes(self) -> dict[str, str]:
        """The labels of the manifest."""
        return {
            "genre": self.genre.name,
            "lead_instrument": self.lead,
            "mood": self.mood,
            "key": self.key.name,
            "tempo": self.tempo_word,
            "bpm": str(self.tempo),
            "metre": self.metre,
        }


def generator(seed: int, number: int, purpose: str) -> np.random.Generator:
    """Returns the random stream of one clip for one purpose ("plan", "notes", ...).

    Streams do not depend on other clips, so a corpus may be made in any order.
    """
    return np.random.default_rng([seed, number, *purpose.encode()])


def draw(seed: int, number: int) -> ClipPlan:
    """Returns the plan of clip `number`; genres take turns."""
    random = generator(seed, number, "plan")
    genre = GENRES[number % len(GENRES)]
    lead = _choose(random, genre.leads)
    mood = _choose(random, genre.moods)
    low, high = genre.tempo
    centre = low + (high - low) * moods.MOODS[mood].pace
    tempo = int(
        np.clip(round(centre + random.normal(0, 0.12) * (high - low)), low, high)
    )
    key = theory.Key(tonic=int(random.integers(12)), mode=moods.MOODS[mood].mode)
    return ClipPlan(
        number=number,
        genre=genre,
        lead=lead,
        mood=mood,
        key=key,
        tempo=tempo,
        split=_split(number, genre.name, lead),
    )


def _split(number: int, genre: str, lead: str) -> str:
    if (genre, lead) in HELD_OUT_COMBINATIONS:
        return "held_out_combination"
    turn = number // len(GENRES)
    return "held_out" if turn % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 else "train"


def _choose(random: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(random.integers(len(options)))]
