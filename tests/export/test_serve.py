"""`serve.py` by itself: words, keys, digests, WAV; and that it needs no package."""

import ast
import pathlib
import subprocess
import sys
import wave

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrl_jax.core import errors, rng
from musicrl_jax.data import text
from musicrl_jax.export import manifest, probe, serve, shards

WORDS = ("a", "slow", "waltz", "don't", "ß")
OURS = text.TextTokenizer(words=WORDS, buckets=5, width=6)
THEIRS = serve.Tokenizer(WORDS, buckets=5, width=6)


@given(st.text(min_size=1, max_size=60))
def test_captions_have_the_tokenizers_ids(caption):
    try:
        expected = OURS.encode([caption])
    except errors.InputError:
        with pytest.raises(serve.ServingError, match="must have text"):
            THEIRS.encode([caption])
        return
    np.testing.assert_array_equal(THEIRS.encode([caption]), expected)


@pytest.mark.parametrize(
    "caption",
    ["A Slow  WALTZ!", "don\u2019t stop", "春の歌 🎵", "🎵🎶", "Straße \ufb01ne"],
)
def test_signs_of_all_kinds_are_read_alike(caption):
    np.testing.assert_array_equal(THEIRS.encode([caption]), OURS.encode([caption]))


def test_keys_are_those_of_generate():
    ours = rng.clip_keys(jax.random.key(7), "generate", 0, 3)
    np.testing.assert_array_equal(
        jax.random.key_data(serve.clip_keys(7, 3)), jax.random.key_data(ours)
    )


def test_it_imports_the_standard_library_and_four_packages():
    tree = ast.parse(pathlib.Path(serve.__file__).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    assert found - sys.stdlib_module_names == {"jax", "numpy", "safetensors"}


def test_a_wav_holds_the_samples(tmp_path):
    path = tmp_path / "new" / "a.wav"
    serve.write_wav(path, np.asarray([0.0, 0.5, -1.5, 1.0]), 16_000)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        pcm = np.frombuffer(file.readframes(9), "<i2")
    np.testing.assert_array_equal(pcm, [0, 16_384, -32_767, 32_767])


@pytest.fixture
def folder(tmp_path):
    """A folder with a few files and their manifest."""
    shards.write(tmp_path / "policy", {"a": {"b": np.arange(6.0)}, "c": np.eye(2)}, 40)
    (tmp_path / "config.json").write_text('{"seconds": 1}')
    manifest.write(tmp_path, {"git_revision": "abc"})
    return tmp_path


def test_the_manifest_notices_a_flipped_bit_in_any_file(folder):
    found = manifest.check(folder)
    serve.check(folder)
    assert found["git_revision"] == "abc"
    assert len(found["files"]) == 4
    for name in [*found["files"], manifest.NAME, manifest.SEAL]:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(bytes([data[0] ^ 4]) + data[1:])
        with pytest.raises(errors.InputError, match=name):
            manifest.check(folder)
        with pytest.raises(serve.ServingError, match=name):
            serve.check(folder)
        (folder / name).write_bytes(data)
    (folder / "config.json").unlink()
    for error, check in (
        (errors.InputError, manifest.check),
        (serve.ServingError, serve.check),
    ):
        with pytest.raises(error, match=r"config\.json is missing"):
            check(folder)


def test_a_folder_without_a_manifest_is_no_artefact(tmp_path):
    with pytest.raises(errors.InputError, match="exported model holds"):
        manifest.check(tmp_path)
    with pytest.raises(serve.ServingError, match="no exported model"):
        serve.check(tmp_path)


def test_the_probe_hides_the_package_where_it_is_installed():
    finder = probe.Hide()
    assert finder.find_spec("numpy", None) is None
    with pytest.raises(ModuleNotFoundError, match="hidden"):
        finder.find_spec("musicrl_jax.core", None)
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(pathlib.Path.cwd())!r})\n"
        f"probe = runpy.run_path({probe.__file__!r})\n"
        "assert probe['_importable']()\n"
        "for name in [n for n in sys.modules if n.startswith('musicrl_jax')]:\n"
        "    del sys.modules[name]\n"
        "sys.meta_path.insert(0, probe['Hide']())\n"
        "assert not probe['_importable']()\n"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
