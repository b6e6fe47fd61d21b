"""Preference sets: what is written is read; every broken rule names its line."""

import dataclasses
import json

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import preference_rows, preferences

FACTS = preference_rows.Facts(
    simulated=True, frame_rate_hz=25.0, tokens_per_frame=2, ceiling_accuracy=0.8
)


def row(**changes):
    fields = {
        "caption": "calm piano",
        "a": 0,
        "b": 1,
        "choice": "a",
        "user": "u1",
        "source": "a test",
        "licence": "CC0",
    }
    return preference_rows.Preference(**(fields | changes))


def tokens(clips=4):
    return np.arange(clips * 3 * 2).reshape(clips, 3, 2)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "set"
    preferences.write_preferences(made, [row(), row(choice=None)], tokens(), FACTS)
    return made


def rewrite(folder, **changes):
    """Puts a row with other fields in the second line; None leaves a field out."""
    fields = dataclasses.asdict(row()) | changes
    lines = [json.dumps(dataclasses.asdict(row())), json.dumps(fields)]
    (folder / preferences.PAIRS).write_text("\n".join(lines), encoding="utf-8")


def change_facts(folder, **changes):
    path = folder / preferences.FACTS
    facts = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(facts), encoding="utf-8")


def test_what_is_written_is_read(tmp_path):
    rows = [row(), row(a=3, b=2, choice="tie", group="g", confidence=0.25)]
    rows.append(row(caption="two lines\u2028in one 'row'", choice=None))
    facts = dataclasses.replace(FACTS, others={"taste": [1, 2]})
    preferences.write_preferences(tmp_path / "set", rows, tokens(), facts)
    found = preferences.read_preferences(tmp_path / "set")
    assert found.pairs == tuple(rows)
    assert found.facts == facts
    np.testing.assert_array_equal(found.tokens, tokens())
    assert isinstance(found.tokens, np.memmap)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"a": 4}, "rows of the 4 clips"),
        ({"a": -1}, "b must be another row"),
        ({"a": True}, "a has an unsuitable value True"),
        ({"a": 1}, "b must be another row"),
        ({"choice": "both_bad"}, "choice must be a, b, tie or null"),
        ({"confidence": 1.5}, "confidence must lie"),
        ({"caption": " "}, "caption must have words"),
        ({"caption": 3}, "caption has an unsuitable value 3"),
        ({"licence": ""}, "licence must not be empty"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(folder, changes, rule):
    rewrite(folder, **changes)
    with pytest.raises(errors.InputError, match=rule) as caught:
        preferences.read_preferences(folder)
    assert "line 2" in str(caught.value)


def test_broken_json_is_refused_with_its_line(folder):
    (folder / preferences.PAIRS).write_text('\n{"caption": ', encoding="utf-8")
    with pytest.raises(errors.InputError, match="line 2"):
        preferences.read_preferences(folder)


@pytest.mark.parametrize(
    "array", [tokens().astype(np.int32), tokens()[0].astype(np.uint16)]
)
def test_other_tokens_are_refused(folder, array):
    np.save(folder / preferences.TOKENS, array)
    with pytest.raises(errors.InputError, match="uint16"):
        preferences.read_preferences(folder)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"simulated": "yes"}, "simulated has an unsuitable"),
        ({"frame_rate_hz": 0}, "frame_rate_hz must be positive"),
        ({"ceiling_accuracy": True}, "ceiling_accuracy has an unsuitable"),
    ],
)
def test_bad_facts_are_refused(folder, changes, rule):
    change_facts(folder, **changes)
    with pytest.raises(errors.InputError, match=rule):
        preferences.read_preferences(folder)


def test_tokens_of_another_layout_are_refused(folder):
    change_facts(folder, tokens_per_frame=5)
    with pytest.raises(errors.InputError, match="5 tokens a frame"):
        preferences.read_preferences(folder)


@pytest.mark.parametrize("name", [preferences.PAIRS, preferences.FACTS, "tokens.npy"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(errors.InputError, match=name):
        preferences.read_preferences(folder)


def test_clips_of_two_lengths_are_refused(tmp_path):
    clips = [np.zeros((3, 2), int), np.zeros((4, 2), int)]
    with pytest.raises(errors.InputError, match="one length"):
        preferences.write_preferences(tmp_path / "set", [row()], clips, FACTS)


@pytest.mark.parametrize("value", [-1, 2**16])
def test_tokens_outside_of_sixteen_bits_are_refused(tmp_path, value):
    clips = tokens()
    clips[0, 0, 0] = value
    with pytest.raises(errors.InputError, match="must lie in"):
        preferences.write_preferences(tmp_path / "set", [row()], clips, FACTS)


def test_a_refused_set_leaves_nothing(tmp_path):
    with pytest.raises(errors.InputError, match="rows of the 4 clips"):
        preferences.write_preferences(tmp_path / "set", [row(a=9)], tokens(), FACTS)
    assert not list(tmp_path.iterdir())


def test_a_set_is_not_overwritten(folder):
    with pytest.raises(errors.InputError, match="folder of its own"):
        preferences.write_preferences(folder, [row()], tokens(), FACTS)


@pytest.mark.parametrize("ceiling", [0.5, 1.2])
def test_a_ceiling_is_a_share_above_chance(ceiling):
    with pytest.raises(errors.InputError, match="ceiling_accuracy"):
        dataclasses.replace(FACTS, ceiling_accuracy=ceiling)


def test_captions_are_one_whatever_their_case_and_signs():
    assert preference_rows.normalised("Calm  PIANO!") == preference_rows.normalised(
        "calm, piano"
    )
