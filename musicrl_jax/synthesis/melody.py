"""Melodies from motifs: short contours that come back, varied, over other chords."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from musicrl_jax.synthesis import score, style, theory

MOTIF_BARS = 2
FORM = "AABA"
RANGE = 19


@dataclasses.dataclass(frozen=True, kw_only=True)
class Motif:
    """A rhythm of two bars and a contour in scale steps, one for each note."""

    rhythm: str
    contour: Int[np.ndarray, " notes"]


def draw_motif(random: np.random.Generator, rhythm: str) -> Motif:
    """Returns a random walk of small steps, now and then a leap, drawn to its start."""
    notes = len(score.hits(rhythm))
    moves = random.choice([-2, -1, -1, 0, 1, 1, 2, 3, -3], size=notes)
    contour = np.zeros(notes, int)
    for i in range(1, notes):
        contour[i] = contour[i - 1] + moves[i] - round(contour[i - 1] / 4)
    return Motif(rhythm=rhythm, contour=contour)


def draw_motifs(
    random: np.random.Generator, rhythms: Sequence[str], density: float
) -> dict[str, Motif]:
    """Returns the motif of each letter of `FORM`, its rhythm as dense as asked."""
    centre = density * (len(rhythms) - 1)
    motifs = {}
    for letter in sorted(set(FORM)):
        place = round(centre + random.uniform(-0.6, 0.6))
        rhythm = rhythms[int(np.clip(place, 0, len(rhythms) - 1))]
        motifs[letter] = draw_motif(random, rhythm)
    return motifs


def phrase(
    motif: Motif, harmonies: Sequence[score.Harmony], low: int, lift: int
) -> list[score.Note]:
    """Returns a motif's notes over the chords of its bars, velocity 100.

    Notes on a beat take the nearest tone of their chord, the others the scale's.

    Args:
      motif: what is played.
      harmonies: one for each of its bars.
      low: lowest pitch; the motif starts in the middle of `RANGE` above it.
      lift: scale steps by which all is moved.
    """
    bar = len(motif.rhythm) // MOTIF_BARS
    notes = []
    for (start, length, _), step in zip(
        score.hits(motif.rhythm), motif.contour, strict=True
    ):
        harmony = harmonies[min(start // bar, len(harmonies) - 1)]
        ladder = theory.lattice(harmony.scale, low, low + RANGE)
        index = int(np.clip(len(ladder) // 2 + step + lift, 0, len(ladder) - 1))
        pitch = ladder[index]
        on_beat = start % style.STEPS_PER_BEAT == 0
        if on_beat:
            tones = theory.lattice(harmony.chord, low, low + RANGE)
            pitch = theory.nearest(tones, pitch)
        notes.append(
            score.Note(
                pitch=pitch,
                velocity=104 if on_beat else 92,
                start=float(start),
                duration=length * 0.95,
            )
        )
    return notes
