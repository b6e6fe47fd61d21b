import pytest

from musicrl_jax.synthesis import score

C_MAJOR = score.Harmony(chord=(0, 4, 7), scale=(0, 2, 4, 5, 7, 9, 11), next_root=7)


def test_hits_read_starts_lengths_and_symbols():
    assert score.hits("x--x.X.-g") == [
        (0, 3, "x"),
        (3, 1, "x"),
        (5, 2, "X"),
        (8, 1, "g"),
    ]
    assert score.hits("....") == []


@pytest.mark.parametrize(
    ("symbol", "pitches"),
    [
        ("c", (36, 40, 43)),
        ("p", (36, 43, 48)),
        ("r", (36,)),
        ("t", (40,)),
        ("f", (43,)),
        ("o", (48,)),
        ("a", (42,)),
        ("1", (36,)),
        ("3", (43,)),
        ("4", (48,)),
        ("6", (55,)),
    ],
)
def test_symbols_over_c_major_from_c(symbol, pitches):
    assert score.pitches(symbol, 36, C_MAJOR) == pitches


def _piece(swing):
    return score.Score(tempo=120, swing=swing, loose=0.0, tracks=())


def test_straight_steps_are_even():
    times = [_piece(0.5).seconds(float(step)) for step in range(6)]
    assert times == pytest.approx([0, 0.125, 0.25, 0.375, 0.5, 0.625])


def test_swing_delays_the_second_half_of_a_beat_only():
    times = [_piece(0.66).seconds(float(step)) for step in range(9)]
    assert times[2] == pytest.approx(0.33)
    assert times[0:9:4] == pytest.approx([0, 0.5, 1.0])
    assert times == sorted(times)
