"""What a genre is: tempo, harmony and the patterns of its parts.

A pattern is text with one character a sixteenth note:

    .  rest                     -  the note before goes on
    x X g  drum: hit, accent, ghost
    c  the chord   p  power chord   r f t o  root, fifth, third, octave of the bass
    1 ... 6  tones of the voicing, going on above the octave
    a  a semitone below the next chord's root
"""

import dataclasses

STEPS_PER_BEAT = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """An accompanying instrument.

    Attributes:
      instrument: name of `instruments.PROGRAMS`.
      patterns: texts of whole bars, one of which a section chooses.
      low: MIDI pitch at which the voicing's octave starts.
      velocity: MIDI velocity of an ordinary note.
    """

    instrument: str
    patterns: tuple[str, ...]
    low: int
    velocity: int = 80


@dataclasses.dataclass(frozen=True, kw_only=True)
class Genre:
    """A style that can be told from the others by ear.

    Attributes:
      tempo: range of beats a minute.
      beats: quarter notes of a bar.
      moods: names of `moods.MOODS`.
      leads: lead instruments.
      progressions: chord degrees, one a bar (or `bars_per_chord`).
      rhythms: melody rhythms of two bars, from few notes to many.
      drums: for each drum of `instruments.DRUMS` its patterns; all drums of a section
        take the same number. Empty: no drums.
      parts: the accompaniment.
      swing: where in a beat its second half falls; 0.5 is straight.
      tones: chord tones, 3 or 4.
      lead_low: lowest pitch of the melody.
      drum_volume: MIDI channel volume of the drums, 0 to 127.
      reverb: MIDI reverb send, 0 to 127.
      loose: standard deviation of note starts in seconds.
    """

    name: str
    tempo: tuple[int, int]
    moods: tuple[str, ...]
    leads: tuple[str, ...]
    progressions: tuple[tuple[int, ...], ...]
    rhythms: tuple[str, ...]
    parts: tuple[Part, ...]
    drums: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    kit: int = 0
    beats: int = 4
    bars_per_chord: int = 1
    swing: float = 0.5
    tones: int = 3
    lead_low: int = 62
    lead_velocity: int = 100
    drum_volume: int = 100
    reverb: int = 40
    loose: float = 0.006

    @property
    def steps(self) -> int:
        """Sixteenths of a bar."""
        return self.beats * STEPS_PER_BEAT
