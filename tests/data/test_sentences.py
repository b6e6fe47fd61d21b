import hypothesis
import pytest
from hypothesis import strategies

from musicrl_jax.data import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A slow waltz.", ["A slow waltz."]),
        ("A slow waltz", ["A slow waltz"]),
        ("It is slow. It is sad!  Is it?", ["It is slow.", "It is sad!", "Is it?"]),
        ("A beat at 4.5 Hz. 120 bpm.", ["A beat at 4.5 Hz.", "120 bpm."]),
        ('He says "go." Then drums.', ['He says "go."', "Then drums."]),
        ("By J. S. Bach and Dr. Dre.", ["By J. S. Bach and Dr. Dre."]),
        ("It is in A. It is loud.", ["It is in A.", "It is loud."]),
        ("Strings, e.g. violins. Loud.", ["Strings, e.g. violins.", "Loud."]),
        ("It fades... and ends. Gone.", ["It fades... and ends.", "Gone."]),
        ("Over two\nlines. And\r\na third.", ["Over two lines.", "And a third."]),
        ("1. A tango\n2) a waltz. Slow.", ["A tango", "a waltz.", "Slow."]),
        ("- a tango\n• a waltz", ["a tango", "a waltz"]),
        ("速い曲です。鳴る\uff01終わり", ["速い曲です。", "鳴る\uff01", "終わり"]),
        ("Αργό βαλς. Ακορντεόν.", ["Αργό βαλς.", "Ακορντεόν."]),
        ("... !", []),
        ("", []),
    ],
)
def test_sentences_of_descriptions(text, expected):
    assert sentences.split(text) == expected


@hypothesis.given(text=strategies.text(alphabet="aB1.!? \n-。\"'", max_size=60))
def test_no_word_is_lost_and_none_is_empty(text):
    found = sentences.split(text)
    assert all(any(sign.isalnum() for sign in sentence) for sentence in found)
    assert not any("\n" in sentence for sentence in found)
    letters = "".join(sign for sign in text if sign in "aB")
    assert "".join(sign for sign in "".join(found) if sign in "aB") == letters
