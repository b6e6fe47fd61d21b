import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.synthesis import renderer, score

RATE = 16_000


def _piece(*notes, loose=0.0):
    track = score.Track(program=0, drums=False, volume=100, reverb=0, notes=notes)
    drums = score.Track(program=0, drums=True, volume=100, reverb=0, notes=())
    return score.Score(tempo=60, swing=0.5, loose=loose, tracks=(drums, track))


def _note(pitch, start, duration):
    return score.Note(pitch=pitch, velocity=90, start=start, duration=duration)


def test_drums_have_channel_9_and_the_others_do_not():
    tracks = (_piece().tracks[1],) * 12 + (_piece().tracks[0],)
    piece = score.Score(tempo=60, swing=0.5, loose=0.0, tracks=tracks)
    channels = renderer.channels(piece)
    assert channels[-1] == 9
    assert len(set(channels)) == 13
    assert max(channels) <= 15


def test_events_are_in_order_and_a_note_ends_before_it_starts_again():
    piece = _piece(_note(60, 4.0, 4.0), _note(60, 0.0, 4.0))
    found = renderer.events(piece, np.random.default_rng(0))
    assert [(block, on) for block, on, *_ in found] == [
        (0, 1),
        (500, 0),
        (500, 1),
        (1000, 0),
    ]
    assert {(channel, pitch) for _, _, channel, pitch, _ in found} == {(0, 60)}


def test_every_note_that_starts_ends_after_it():
    notes = [_note(60 + i, i / 2, 0.001) for i in range(50)]
    found = renderer.events(_piece(*notes, loose=0.05), np.random.default_rng(0))
    starts = {pitch: block for block, on, _, pitch, _ in found if on}
    ends = {pitch: block for block, on, _, pitch, _ in found if not on}
    assert starts.keys() == ends.keys()
    assert all(starts[pitch] < ends[pitch] for pitch in starts)
    assert min(starts.values()) >= 0


@pytest.mark.parametrize("gain", [0.001, 1.0, 3.0])
def test_levelled_clips_have_the_target_level(gain):
    time = np.arange(RATE) / RATE
    tone = (gain * np.sin(2 * np.pi * 200 * time)).astype(np.float32)
    levelled = renderer.level(tone, RATE)
    inner = levelled[RATE // 4 : -RATE // 4]
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(renderer.TARGET_RMS, rel=0.02)
    assert abs(levelled[0]) < 0.001
    assert abs(levelled[-1]) < 0.001


def test_peaks_bound_the_level_of_sparse_clips():
    click = np.zeros(RATE, np.float32)
    click[RATE // 2] = 0.3
    assert np.abs(renderer.level(click, RATE)).max() == pytest.approx(renderer.PEAK)


def test_a_silent_clip_is_refused():
    with pytest.raises(errors.InvariantError, match="silent"):
        renderer.level(np.zeros(RATE, np.float32), RATE)
