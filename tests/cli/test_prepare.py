"""`musicrl tokenize` refuses what it cannot use in one line."""

import pytest

from musicrl_jax.cli import main

ROW = '{"path": "a", "duration_seconds": 31.0, "sample_rate_hz": 16000, "captions": []}'


@pytest.mark.parametrize(
    ("manifest", "arguments", "word"),
    [
        (None, (), "manifest.jsonl"),
        ("", (), "the file is empty"),
        (ROW + "\n" + ROW[:40], (), "line 2"),
        (ROW.replace("[]", '[" "]'), (), "captions"),
        (ROW, (), "codec.safetensors"),
        (ROW, ("--shards", "0"), "--shards"),
        (ROW, ("--max_bad_share", "2"), "--max_bad_share"),
        (ROW.replace("31.0", "2.0"), (), "no clip of 30"),
    ],
)
def test_bad_input_is_one_line_and_code_2(capsys, tmp_path, manifest, arguments, word):
    path = tmp_path / "manifest.jsonl"
    if manifest is not None:
        path.write_text(manifest)
    command = ["tokenize", "--manifest", str(path), "--networks", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main.main([*command, "--out", str(tmp_path / "tokens"), *arguments])
    lines = capsys.readouterr().err.splitlines()
    assert (ended.value.code, len(lines)) == (2, 1)
    assert word in lines[0]
    assert not (tmp_path / "tokens").exists()
