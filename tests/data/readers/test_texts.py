import json

import pytest

from musicrl_jax.data.readers import items, texts


def test_lines_are_texts(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeffa waltz \n\nワルツ\r\n".encode() + b"caf\xe9\nlast")
    first, second, bad, last = texts.read(path)
    assert first == texts.Text(row=1, text="a waltz")
    assert second == texts.Text(row=3, text="ワルツ")
    assert (bad.row, "UTF-8" in bad.reason) == (4, True)
    assert last.text == "last"


def test_json_lines_are_texts_or_objects(tmp_path):
    path = tmp_path / "t.jsonl"
    fields = {"text": "One.\nTwo.", "licence": "CC0-1.0", "song": 3}
    path.write_text(json.dumps("a waltz") + "\n" + json.dumps(fields) + "\n")
    assert list(texts.read(path)) == [
        texts.Text(row=1, text="a waltz"),
        texts.Text(row=2, text="One.\nTwo.", licence="CC0-1.0"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "cut in ha',
        '{"text": ""}',
        '" "',
        "3",
        '{"caption": "x"}',
        '"\\ud83c"',
    ],
)
def test_bad_json_lines_are_listed(tmp_path, line):
    path = tmp_path / "t.jsonl"
    path.write_text(f'"good"\n{line}\n"good"\n')
    first, bad, last = texts.read(path)
    assert (first.text, last.text) == ("good", "good")
    assert (type(bad), bad.row) == (items.Problem, 2)
