import hypothesis
from hypothesis import strategies

from musicrl_jax.synthesis import theory

KEYS = strategies.builds(
    theory.Key,
    tonic=strategies.integers(0, 11),
    mode=strategies.sampled_from(sorted(theory.SCALES)),
)
DEGREES = strategies.integers(1, 7)


def test_chords_of_c_major_and_a_minor():
    c_major = theory.Key(tonic=0, mode="major")
    a_minor = theory.Key(tonic=9, mode="minor")
    assert c_major.chord(1, 3) == (0, 4, 7)
    assert c_major.chord(2, 4) == (2, 5, 9, 0)
    assert a_minor.chord(1, 3) == (9, 0, 4)
    assert a_minor.chord(5, 4) == (4, 8, 11, 2), "the dominant is major"
    assert a_minor.chord(7, 3) == (7, 11, 2)
    assert (c_major.name, a_minor.name) == ("C major", "A minor")


@hypothesis.given(key=KEYS, degree=DEGREES, tones=strategies.sampled_from([3, 4]))
def test_chord_tones_belong_to_the_scale_over_the_chord(key, degree, tones):
    chord = key.chord(degree, tones)
    assert len(set(chord)) == tones
    assert set(chord) <= set(key.scale(degree))


@hypothesis.given(key=KEYS, degree=DEGREES, low=strategies.integers(24, 80))
def test_voicings_lie_within_an_octave_and_keep_the_chord(key, degree, low):
    chord = key.chord(degree, 4)
    pitches = theory.voicing(chord, low)
    assert {pitch % 12 for pitch in pitches} == set(chord)
    assert low <= min(pitches) <= max(pitches) < low + 12
    assert list(pitches) == sorted(pitches)


@hypothesis.given(
    pitches=strategies.lists(strategies.integers(0, 127), min_size=1),
    target=strategies.integers(0, 127),
)
def test_nearest_has_no_nearer(pitches, target):
    chosen = theory.nearest(tuple(pitches), target)
    assert all(abs(chosen - target) <= abs(pitch - target) for pitch in pitches)
