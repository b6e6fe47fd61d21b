import pytest

from musicrl_jax.synthesis import composer, instruments, melody, plan, style

NUMBERS = range(36)


def _compose(number):
    return composer.compose(plan.draw(5, number), 5, 30.0)


def test_the_same_arguments_give_the_same_notes():
    assert _compose(3) == _compose(3)
    assert _compose(3).tracks != composer.compose(plan.draw(5, 3), 6, 30.0).tracks


@pytest.mark.parametrize("number", NUMBERS)
def test_pieces_are_full_and_playable(number):
    clip, piece = plan.draw(5, number), _compose(number)
    steps = 30 * clip.tempo / 60 * style.STEPS_PER_BEAT
    assert len(piece.tracks) == 1 + len(clip.genre.parts) + bool(clip.genre.drums)
    for track in piece.tracks:
        assert track.notes
        for note in track.notes:
            assert 0 <= note.pitch <= 127
            assert 1 <= note.velocity <= 127
            assert note.duration > 0
            assert 0 <= note.start < steps + 2 * clip.genre.steps
        last = max(note.start + note.duration for note in track.notes)
        assert last > steps * 0.75


@pytest.mark.parametrize("number", NUMBERS)
def test_melodies_stay_in_key_and_range(number):
    clip, lead = plan.draw(5, number), _compose(number).tracks[0]
    assert lead.program == instruments.PROGRAMS[clip.lead]
    allowed = set(clip.key.scale(1)) | set(clip.key.scale(5))
    assert {note.pitch % 12 for note in lead.notes} <= allowed
    pitches = [note.pitch for note in lead.notes]
    assert max(pitches) - min(pitches) <= melody.RANGE


def test_basses_play_roots_on_the_downbeat():
    clip, piece = plan.draw(5, 4), _compose(4)
    bass = piece.tracks[3]
    assert clip.genre.parts[2].instrument == "picked bass"
    roots = {
        clip.key.chord(degree, 1)[0]
        for degrees in clip.genre.progressions
        for degree in degrees
    }
    downbeats = [n for n in bass.notes if n.start % clip.genre.steps == 0]
    assert downbeats
    assert {note.pitch % 12 for note in downbeats} <= roots


def test_sections_come_back():
    clip, piece = plan.draw(5, 2), _compose(2)
    assert clip.genre.name == "chiptune"
    section = composer.SECTION_BARS * clip.genre.steps
    arpeggio = piece.tracks[1].notes

    def bars(start):
        return [
            (n.pitch, n.start - start)
            for n in arpeggio
            if start <= n.start < start + section
        ]

    assert bars(0) == bars(section), "the form begins with A A"


def test_genres_without_drums_have_none():
    for number in range(12):
        clip, piece = plan.draw(5, number), _compose(number)
        assert any(track.drums for track in piece.tracks) == bool(clip.genre.drums)
    silent = {genre.name for genre in plan.GENRES if not genre.drums}
    assert silent == {"ambient", "solo piano", "tango", "waltz", "bluegrass"}
