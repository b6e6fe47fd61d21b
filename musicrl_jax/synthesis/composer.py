"""Writes the notes of a plan: sections, harmony, accompaniment, drums, melody."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from musicrl_jax.synthesis import instruments, melody, moods, plan, score, style

SECTION_BARS = 8
INTRO_BARS = 2
LEAD_VOLUME = 127
ACCOMPANIMENT_VOLUME = 92
FILL = {"snare": "xxxx", "high tom": "x.x.", "low tom": "..xx", "kick": "x..."}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: its section (0 first), place in it, chord, and what plays.

    Attributes:
      start: sixteenths from the clip's start.
      full: False in an introduction, where melody and drums are silent.
    """

    start: int
    section: int
    place: int
    harmony: score.Harmony
    full: bool

    @property
    def letter(self) -> int:
        """Number of the section's letter in the form: equal for equal sections."""
        return melody.FORM.index(melody.FORM[self.section % len(melody.FORM)])


def compose(clip: plan.ClipPlan, seed: int, seconds: float) -> score.Score:
    """Returns the score of a plan, as long as `seconds` or a little longer.

    The same arguments give the same notes.
    """
    random = plan.generator(seed, clip.number, "notes")
    steps = seconds * clip.tempo / 60 * style.STEPS_PER_BEAT
    bars = _bars(clip, random, math.ceil(steps / clip.genre.steps))
    tracks = [_lead(clip, random, bars)]
    tracks += [_part(clip, part, random, bars) for part in clip.genre.parts]
    if clip.genre.drums:
        tracks.append(_drums(clip, random, bars))
    return score.Score(
        tempo=clip.tempo,
        swing=clip.genre.swing,
        loose=clip.genre.loose,
        tracks=tuple(tracks),
    )


def _bars(clip: plan.ClipPlan, random: np.random.Generator, count: int) -> list[Bar]:
    """Draws two progressions, A and B, and lays sections A A B A ... over the bars."""
    genre = clip.genre
    order = random.permutation(len(genre.progressions))
    intro = INTRO_BARS if genre.drums and random.random() < 0.4 else 0
    chosen = {
        letter: genre.progressions[order[i % len(order)]]
        for i, letter in enumerate(sorted(set(melody.FORM)))
    }

    def degree(number: int) -> int:
        section, place = divmod(number, SECTION_BARS)
        degrees = chosen[melody.FORM[section % len(melody.FORM)]]
        return degrees[place // genre.bars_per_chord % len(degrees)]

    bars = []
    for number in range(count):
        here, following = degree(number), degree(number + 1)
        harmony = score.Harmony(
            chord=clip.key.chord(here, genre.tones),
            scale=clip.key.scale(here),
            next_root=clip.key.chord(following, 1)[0],
        )
        section, place = divmod(number, SECTION_BARS)
        bars.append(
            Bar(
                start=number * genre.steps,
                section=section,
                place=place,
                harmony=harmony,
                full=number >= intro,
            )
        )
    return bars


def _lead(
    clip: plan.ClipPlan, random: np.random.Generator, bars: Sequence[Bar]
) -> score.Track:
    mood = moods.MOODS[clip.mood]
    motifs = melody.draw_motifs(random, clip.genre.rhythms, mood.density)
    low = clip.genre.lead_low + 12 * mood.octave
    notes: list[score.Note] = []
    for first in range(0, len(bars), melody.MOTIF_BARS):
        unit = bars[first : first + melody.MOTIF_BARS]
        if not unit[0].full:
            continue
        letter = melody.FORM[first // melody.MOTIF_BARS % len(melody.FORM)]
        phrase = melody.phrase(
            motifs[letter],
            [bar.harmony for bar in unit],
            low,
            lift=int(unit[0].section % 2) + int(random.integers(-1, 2)),
        )
        notes += _moved(phrase, unit[0].start)
    track = _track(clip, clip.lead, notes, clip.genre.lead_velocity / 100, random)
    return dataclasses.replace(track, volume=LEAD_VOLUME)


def _part(
    clip: plan.ClipPlan,
    part: style.Part,
    random: np.random.Generator,
    bars: Sequence[Bar],
) -> score.Track:
    chosen = random.integers(len(part.patterns), size=len(melody.FORM))
    notes = []
    for bar in bars:
        pattern = part.patterns[chosen[bar.letter]]
        if bar.place % (len(pattern) // clip.genre.steps):
            continue
        for start, length, symbol in score.hits(pattern):
            notes += [
                score.Note(
                    pitch=pitch,
                    velocity=part.velocity + (6 if start % 8 == 0 else 0),
                    start=float(bar.start + start),
                    duration=length * 0.95,
                )
                for pitch in score.pitches(symbol, part.low, bar.harmony)
            ]
    return _track(clip, part.instrument, notes, 1.0, random)


def _drums(
    clip: plan.ClipPlan, random: np.random.Generator, bars: Sequence[Bar]
) -> score.Track:
    drums, steps = clip.genre.drums, clip.genre.steps
    variants = len(next(iter(drums.values())))
    chosen = random.integers(variants, size=len(melody.FORM))
    notes: list[score.Note] = []
    for bar in bars:
        if not bar.full:
            notes += _drum_hits("hat", "x..." * clip.genre.beats, bar.start)
            continue
        variant = chosen[bar.letter]
        fill = bar.place == SECTION_BARS - 1
        for drum, patterns in drums.items():
            pattern = patterns[variant % len(patterns)]
            pattern = pattern[: steps - style.STEPS_PER_BEAT] if fill else pattern
            notes += _drum_hits(drum, pattern, bar.start)
        if fill:
            last = bar.start + steps - style.STEPS_PER_BEAT
            for drum, pattern in FILL.items():
                notes += _drum_hits(drum, pattern, last)
        elif bar.place == 0:
            notes += _drum_hits("crash", "x", bar.start)
    track = _track(clip, None, notes, 1.0, random)
    return dataclasses.replace(
        track, program=clip.genre.kit, drums=True, volume=clip.genre.drum_volume
    )


def _drum_hits(drum: str, pattern: str, start: int) -> list[score.Note]:
    return [
        score.Note(
            pitch=instruments.DRUMS[drum],
            velocity=instruments.DRUM_VELOCITIES[symbol],
            start=float(start + step),
            duration=1.0,
        )
        for step, _, symbol in score.hits(pattern)
    ]


def _track(
    clip: plan.ClipPlan,
    instrument: str | None,
    notes: Iterable[score.Note],
    gain: float,
    random: np.random.Generator,
) -> score.Track:
    """Returns a track with the mood's force and a little chance in the velocities."""
    force = gain * moods.MOODS[clip.mood].force
    played = []
    for note in notes:
        velocity = note.velocity * force + random.normal(0, 4)
        played.append(
            dataclasses.replace(note, velocity=int(np.clip(velocity, 20, 127)))
        )
    program = instruments.PROGRAMS[instrument] if instrument else 0
    return score.Track(
        program=program,
        drums=False,
        volume=ACCOMPANIMENT_VOLUME,
        reverb=clip.genre.reverb,
        notes=tuple(played),
    )


def _moved(notes: Iterable[score.Note], steps: int) -> list[score.Note]:
    return [dataclasses.replace(note, start=note.start + steps) for note in notes]
