import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from musicrl_jax.core import errors
from musicrl_jax.data import text

TOKENIZER = text.TextTokenizer.build(
    ["a slow tango", "A slow waltz!", "the band's slow tango, (live)"], width=8
)


def test_words_are_ranked_by_count_then_alphabet():
    assert TOKENIZER.words == ("slow", "a", "tango")


def test_known_words_have_their_rank_and_the_rest_is_padding():
    np.testing.assert_array_equal(
        TOKENIZER.encode(["Slow, slow TANGO"]), [[1, 1, 3, 0, 0, 0, 0, 0]]
    )


def test_long_texts_lose_their_end():
    ids = TOKENIZER.encode(["slow " * 7 + "tango a"])
    np.testing.assert_array_equal(ids, [[1] * 7 + [3]])


@hypothesis.given(texts=strategies.lists(strategies.text().filter(str.strip)))
def test_any_text_gives_ids_of_the_vocabulary(texts):
    ids = TOKENIZER.encode(texts)
    assert ids.shape == (len(texts), 8)
    assert ids.dtype == np.int32
    assert (ids >= 0).all()
    assert (ids < TOKENIZER.vocabulary_size).all()
    assert (ids[:, 0] > 0).all()
    padding = ids == 0
    assert (padding[:, 1:] >= padding[:, :-1]).all()


def test_unknown_words_are_told_as_often_as_they_are_there():
    text = "A quokka's slow Zither, zither!"
    assert TOKENIZER.unknown_words(text) == ["quokka's", "zither", "zither"]
    assert TOKENIZER.known_share(text) == pytest.approx(0.4)
    assert TOKENIZER.known_share("a tango") == 1.0


def test_unknown_words_share_buckets_above_the_known_ones():
    first, again, other = TOKENIZER.encode(["quokka", "Quokka!", "zither"])[:, 0]
    assert first == again != other
    assert first > len(TOKENIZER.words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ﬁddle", ["fiddle"]),
        ("don\u2019t Stop—now", ["don't", "stop", "now"]),
        ("慢速探戈", ["慢", "速", "探", "戈"]),
        ("медленное танго", ["медленное", "танго"]),
        ("🎸 🎹", ["🎸", "🎹"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("drum_and-bass 174bpm", ["drum", "and", "bass", "174bpm"]),
    ],
)
def test_words_are_normalised(given, words):
    assert text.words_of(given) == words


def test_the_tokenizer_survives_json():
    fields = json.loads(json.dumps(TOKENIZER.to_dict()))
    assert text.TextTokenizer.from_dict(fields) == TOKENIZER


@pytest.mark.parametrize("fields", [{}, {"words": ["a"], "size": 3}, {"words": None}])
def test_bad_descriptions_are_refused(fields):
    with pytest.raises(errors.InputError, match="tokenizer"):
        text.TextTokenizer.from_dict(fields)


@pytest.mark.parametrize(
    "fields",
    [{"words": ("a", "a")}, {"words": (), "buckets": 0}, {"words": (), "width": 0}],
)
def test_bad_tokenizers_are_refused(fields):
    with pytest.raises(errors.InputError, match="TextTokenizer"):
        text.TextTokenizer(**fields)


@pytest.mark.parametrize("empty", ["", " \n\t"])
def test_empty_captions_are_refused(empty):
    with pytest.raises(errors.InputError, match="must have text"):
        TOKENIZER.encode(["slow", empty])


def test_the_known_share_counts_words():
    assert TOKENIZER.known_share("slow zither tango quokka") == 0.5
