"""Moods, and what each does to the music."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mood:
    """How a mood is played.

    Attributes:
      mode: of the key.
      pace: place within the genre's tempo range, 0 (slow end) to 1.
      force: factor on velocities.
      octave: shift of the melody in octaves.
      density: place within the genre's melody rhythms, 0 (few notes) to 1.
    """

    mode: str
    pace: float
    force: float = 1.0
    octave: int = 0
    density: float = 0.5


MOODS = {
    "happy": Mood(mode="major", pace=0.7, density=0.7),
    "sad": Mood(mode="minor", pace=0.1, force=0.8, density=0.2),
    "calm": Mood(mode="major", pace=0.15, force=0.7, density=0.1),
    "energetic": Mood(mode="major", pace=1.0, force=1.15, density=1.0),
    "dark": Mood(mode="minor", pace=0.4, force=1.0, octave=-1, density=0.4),
    "aggressive": Mood(mode="minor", pace=1.0, force=1.2, density=1.0),
    "romantic": Mood(mode="major", pace=0.3, force=0.85, density=0.4),
    "dreamy": Mood(mode="major", pace=0.2, force=0.7, octave=1, density=0.2),
    "dramatic": Mood(mode="minor", pace=0.6, force=1.15, density=0.7),
    "playful": Mood(mode="major", pace=0.8, octave=1, density=0.9),
    "nostalgic": Mood(mode="minor", pace=0.3, force=0.85, density=0.5),
}
