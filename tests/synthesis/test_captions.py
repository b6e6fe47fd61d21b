import re

import pytest

from musicrl_jax.synthesis import captions, instruments, moods, plan

PLANS = [plan.draw(1, number) for number in range(240)]
TEXTS = {clip.number: captions.write(clip, 1) for clip in PLANS}
ALL = [text for texts in TEXTS.values() for text in texts]


def test_captions_follow_from_plan_and_seed():
    assert captions.write(PLANS[5], 1) == TEXTS[5]
    assert captions.write(PLANS[5], 2) != TEXTS[5]


def test_no_slot_or_placeholder_is_left():
    assert not [text for text in ALL if re.search(r"[{}]|\(n\)|  ", text)]


def test_no_sentence_says_music_twice():
    assert not [text for text in ALL if "music music" in text]


def test_articles_fit_the_next_word():
    wrong = re.compile(
        r"\b(?:an (?=[bcdfgjklmnpqrstvwxyz])|a (?=[aeio]))", re.IGNORECASE
    )
    exceptions = re.compile(
        r"\ban (?:hour|honest|heir)|\ba (?:uni|one|eu)", re.IGNORECASE
    )
    found = [t for t in ALL if wrong.search(exceptions.sub("", t))]
    assert not found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a(n) oboe", "an oboe"),
        ("A(n) uptempo tune", "An uptempo tune"),
        ("a(n) unicorn", "a unicorn"),
        ("a(n) 8-bit hour", "an 8-bit hour"),
        ("a(n) hour", "an hour"),
        ("a(n) house", "a house"),
        ("a(n) flute and a(n) organ", "a flute and an organ"),
    ],
)
def test_articles(given, expected):
    assert captions.with_articles(given) == expected


def _names(text, words):
    return any(word.lower() in text.lower() for word in words)


def test_most_captions_name_the_genre():
    genres = captions.lexicon("genres")
    for clip in PLANS:
        names = genres[clip.genre.name]["names"]
        long, medium, *_, tags = TEXTS[clip.number]
        assert _names(long, names)
        assert _names(medium, names)
        assert _names(tags, names)
    named = sum(
        _names(text, genres[clip.genre.name]["names"])
        for clip in PLANS
        for text in TEXTS[clip.number]
    )
    assert named / len(ALL) > 0.75


def test_long_captions_name_the_lead_instrument():
    names = captions.lexicon("words")["instruments"]
    for clip in PLANS:
        assert all(_names(text, names[clip.lead]) for text in TEXTS[clip.number][:2])


def test_descriptions_state_key_and_tempo():
    for clip in PLANS:
        words = re.findall(r"[\w/]+", TEXTS[clip.number][0])
        assert f" {clip.key.name}" in TEXTS[clip.number][0]
        assert str(clip.tempo) in words


def test_descriptions_tell_nearly_all_clips_apart():
    """Two clips with the same genre, lead, mood, key and tempo have the same text."""
    facts = {
        (clip.genre.name, clip.lead, clip.mood, clip.key.name, clip.tempo)
        for clip in PLANS
    }
    assert len(facts) > 0.95 * len(PLANS)
    vague = {(clip.genre.name, clip.lead, clip.mood) for clip in PLANS}
    assert len(vague) < 0.6 * len(PLANS)


def test_no_genre_name_is_shared():
    genres = captions.lexicon("genres")
    owners = {}
    for genre, lists in genres.items():
        for name in lists["names"]:
            assert owners.setdefault(name, genre) == genre


def test_captions_of_a_tempo_do_not_name_another():
    tempo = captions.lexicon("words")["tempo"]
    for clip in PLANS:
        if clip.tempo_word == "slow":
            words = {w for t in TEXTS[clip.number] for w in re.findall(r"[\w-]+", t)}
            assert not words & (set(tempo["fast"]["adjectives"]) - {"hurried"})


def test_the_lexicon_covers_every_choice():
    assert captions.lexicon("genres").keys() == {genre.name for genre in plan.GENRES}
    assert captions.lexicon("moods").keys() == moods.MOODS.keys()
    known = captions.lexicon("words")["instruments"].keys()
    assert known == instruments.PROGRAMS.keys()


def test_the_lexicon_has_more_than_two_thousand_words():
    def texts(tree):
        if isinstance(tree, str):
            return [tree]
        branches = tree.values() if isinstance(tree, dict) else tree
        return [text for branch in branches for text in texts(branch)]

    words = {
        word
        for name in ("genres", "moods", "words")
        for text in texts(captions.lexicon(name))
        for word in re.findall(r"[^\W_]+(?:['-][^\W_]+)*", text.lower())
    }
    assert len(words) > 2000
