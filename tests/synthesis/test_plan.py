import collections

import pytest

from musicrl_jax.synthesis import instruments, melody, moods, plan, theory

PLANS = [plan.draw(3, number) for number in range(1200)]


def test_a_plan_follows_from_seed_and_number():
    assert plan.draw(3, 17) == PLANS[17]
    assert [plan.draw(4, i) for i in range(50)] != PLANS[:50]


def test_genres_take_turns():
    counts = collections.Counter(clip.genre.name for clip in PLANS)
    assert len(counts) == 12
    assert set(counts.values()) == {100}


def test_plans_keep_to_their_genre_and_mood():
    for clip in PLANS:
        low, high = clip.genre.tempo
        assert low <= clip.tempo <= high
        assert clip.lead in clip.genre.leads
        assert clip.mood in clip.genre.moods
        assert clip.key.mode == moods.MOODS[clip.mood].mode


def test_held_out_combinations_are_in_no_other_split_but_their_halves_are():
    train = [clip for clip in PLANS if clip.split == "train"]
    pairs = {(clip.genre.name, clip.lead) for clip in train}
    assert not pairs & plan.HELD_OUT_COMBINATIONS
    held_out = {
        (clip.genre.name, clip.lead)
        for clip in PLANS
        if clip.split == "held_out_combination"
    }
    assert held_out == plan.HELD_OUT_COMBINATIONS
    assert {genre for genre, _ in held_out} <= {genre for genre, _ in pairs}
    assert {lead for _, lead in held_out} <= {lead for _, lead in pairs}


def test_held_out_clips_have_every_genre_and_are_few():
    held_out = [clip for clip in PLANS if clip.split == "held_out"]
    assert {clip.genre.name for clip in held_out} == {g.name for g in plan.GENRES}
    assert 0.02 < len(held_out) / len(PLANS) < 0.06


def test_tempo_words_and_metres():
    words = {clip.genre.name: set() for clip in PLANS}
    for clip in PLANS:
        words[clip.genre.name].add(clip.attributes["tempo"])
    assert words["drum and bass"] == {"fast"}
    assert words["ambient"] == {"slow"}
    metres = {clip.genre.name: clip.metre for clip in PLANS}
    assert metres.pop("waltz") == "3/4"
    assert set(metres.values()) == {"4/4"}


@pytest.mark.parametrize("genre", plan.GENRES, ids=lambda genre: genre.name)
def test_patterns_fill_whole_bars(genre):
    assert {len(rhythm) for rhythm in genre.rhythms} == {
        melody.MOTIF_BARS * genre.steps
    }
    for part in genre.parts:
        assert all(len(text) % genre.steps == 0 for text in part.patterns)
        assert set("".join(part.patterns)) <= set("-.cprfto123456a")
    for patterns in genre.drums.values():
        assert {len(text) for text in patterns} == {genre.steps}
        assert set("".join(patterns)) <= {*instruments.DRUM_VELOCITIES, "."}


@pytest.mark.parametrize("genre", plan.GENRES, ids=lambda genre: genre.name)
def test_genres_name_known_things(genre):
    used = {part.instrument for part in genre.parts} | set(genre.leads)
    assert used <= instruments.PROGRAMS.keys()
    assert genre.drums.keys() <= instruments.DRUMS.keys()
    assert set(genre.moods) <= moods.MOODS.keys()
    degrees = {degree for degrees in genre.progressions for degree in degrees}
    assert degrees <= set(range(1, 8))
    assert 0.5 <= genre.swing < 0.75


def test_streams_of_purposes_differ():
    first = plan.generator(0, 1, "notes").random()
    assert first == plan.generator(0, 1, "notes").random()
    assert first != plan.generator(0, 1, "plan").random()
    assert first != plan.generator(0, 2, "notes").random()


def test_every_mood_has_a_mode():
    assert {mood.mode for mood in moods.MOODS.values()} == theory.SCALES.keys()
