"""Notes, and how a pattern's text becomes notes."""

import dataclasses

from musicrl_jax.synthesis import style, theory


@dataclasses.dataclass(frozen=True, kw_only=True)
class Note:
    """One note; start and duration in sixteenths of the clip."""

    pitch: int
    velocity: int
    start: float
    duration: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Track:
    """The notes of one instrument.

    Attributes:
      program: General MIDI program, or kit number of a drum track.
      volume: MIDI channel volume, 0 to 127.
      reverb: MIDI reverb send, 0 to 127.
    """

    program: int
    drums: bool
    volume: int
    reverb: int
    notes: tuple[Note, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """A piece.

    Attributes:
      tempo: beats (quarter notes) a minute.
      swing: where in a beat its second half falls; 0.5 is straight.
      loose: standard deviation of note starts in seconds.
    """

    tempo: int
    swing: float
    loose: float
    tracks: tuple[Track, ...]

    def seconds(self, step: float) -> float:
        """Returns when sixteenth `step` sounds, with swing."""
        beat, within = divmod(step, style.STEPS_PER_BEAT)
        place = within / style.STEPS_PER_BEAT
        if place < 0.5:
            place = place * 2 * self.swing
        else:
            place = self.swing + (place - 0.5) * 2 * (1 - self.swing)
        return (beat + place) * 60 / self.tempo


@dataclasses.dataclass(frozen=True, kw_only=True)
class Harmony:
    """The chord of a bar.

    Attributes:
      chord: pitch classes, root first.
      scale: pitch classes that a melody may use.
      next_root: pitch class of the next bar's root.
    """

    chord: tuple[int, ...]
    scale: tuple[int, ...]
    next_root: int


def hits(pattern: str) -> list[tuple[int, int, str]]:
    """Returns (start, length, symbol) of each note of a pattern's text."""
    found: list[tuple[int, int, str]] = []
    for step, symbol in enumerate(pattern):
        if symbol == "-" and found:
            start, length, held = found[-1]
            found[-1] = (start, length + 1, held)
        elif symbol not in ".-":
            found.append((step, 1, symbol))
    return found


def pitches(symbol: str, low: int, harmony: Harmony) -> tuple[int, ...]:
    """Returns what a symbol of an accompaniment pattern sounds over a chord."""
    root = theory.at_least(harmony.chord[0], low)
    third, fifth = (theory.at_least(tone, root) for tone in harmony.chord[1:3])
    if symbol.isdigit():
        tones = theory.voicing(harmony.chord, low)
        octave, index = divmod(int(symbol) - 1, len(tones))
        return (tones[index] + 12 * octave,)
    return {
        "c": theory.voicing(harmony.chord, low),
        "p": (root, fifth, root + 12),
        "r": (root,),
        "t": (third,),
        "f": (fifth,),
        "o": (root + 12,),
        "a": (theory.at_least(harmony.next_root, low + 1) - 1,),
    }[symbol]
