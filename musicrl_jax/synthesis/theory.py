"""Keys, chords and voicings as MIDI pitch numbers."""

import dataclasses

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
}
TONICS = (
    "C",
    "C sharp",
    "D",
    "E flat",
    "E",
    "F",
    "F sharp",
    "G",
    "A flat",
    "A",
    "B flat",
    "B",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Key:
    """A tonic (semitones above C) and a mode of `SCALES`."""

    tonic: int
    mode: str

    @property
    def name(self) -> str:
        """The name as in "E flat minor"."""
        return f"{TONICS[self.tonic]} {self.mode}"

    def scale(self, degree: int) -> tuple[int, ...]:
        """Returns the pitch classes to play over the chord on `degree` (1 to 7).

        The dominant of a minor key has its seventh step raised (harmonic minor).
        """
        steps = list(SCALES[self.mode])
        if self.mode == "minor" and degree == 5:
            steps[6] += 1
        return tuple((self.tonic + step) % 12 for step in steps)

    def chord(self, degree: int, tones: int) -> tuple[int, ...]:
        """Returns `tones` stacked thirds on `degree` as pitch classes, root first."""
        scale = self.scale(degree)
        return tuple(scale[(degree - 1 + 2 * i) % 7] for i in range(tones))


def at_least(pitch_class: int, low: int) -> int:
    """Returns the lowest pitch of `pitch_class` that is `low` or higher."""
    return low + (pitch_class - low) % 12


def voicing(chord: tuple[int, ...], low: int) -> tuple[int, ...]:
    """Returns the chord in close position within the octave above `low`.

    Staying within one octave moves the voices by few steps from chord to chord.
    """
    return tuple(sorted(at_least(pitch_class, low) for pitch_class in chord))


def lattice(scale: tuple[int, ...], low: int, high: int) -> tuple[int, ...]:
    """Returns every pitch of `scale` from `low` to `high`."""
    return tuple(pitch for pitch in range(low, high + 1) if pitch % 12 in scale)


def nearest(pitches: tuple[int, ...], target: int) -> int:
    """Returns the pitch nearest to `target`, the lower of two."""
    return min(pitches, key=lambda pitch: (abs(pitch - target), pitch))
