import pathlib

import numpy as np
import pytest

from musicrl_jax.audio import levels, waveform
from musicrl_jax.core import errors
from musicrl_jax.data import manifest
from musicrl_jax.runs import corpus

needs_soundfont = pytest.mark.skipif(
    not pathlib.Path(corpus.DEFAULT_SOUNDFONT).is_file(),
    reason="the General MIDI soundfont is not installed",
)


def _config(folder, **changes):
    fields = {"num_clips": 3, "seconds": 2.0, "workers": 1} | changes
    return corpus.CorpusConfig(out_dir=str(folder), **fields)


def _sounds(folder, count):
    paths = sorted((folder / "clips").glob("*.flac"))
    assert len(paths) == count
    return [waveform.read_audio(path, 16_000) for path in paths]


@needs_soundfont
def test_a_corpus_is_audible_labelled_and_goes_on_where_it_stopped(tmp_path):
    told = []
    path = corpus.build(_config(tmp_path), lambda *counts: told.append(counts))
    assert told == [(1, 3), (2, 3), (3, 3)]
    rows = manifest.read_manifest(path).rows
    assert [row.attributes["genre"] for row in rows] == [
        "drum and bass",
        "ambient",
        "chiptune",
    ]
    before = _sounds(tmp_path, 3)
    for row, sound in zip(rows, before, strict=True):
        assert pathlib.Path(row.path).is_file()
        assert len(sound) == row.duration_seconds * row.sample_rate_hz
        assert -26 < levels.rms_dbfs(sound) < -14
        assert levels.peak_dbfs(sound) < -0.5
        assert levels.silence_share(sound, 16_000) < 0.3

    # An interrupted build: one clip is missing, another half-written.
    (tmp_path / "clips/000001.flac").unlink()
    (tmp_path / "clips/.000001.flac").write_bytes(b"fLaC")
    told.clear()
    corpus.build(_config(tmp_path), lambda *counts: told.append(counts))
    assert told == [(3, 3)]
    for first, second in zip(before, _sounds(tmp_path, 3), strict=True):
        np.testing.assert_array_equal(first, second)

    with pytest.raises(errors.InputError, match="Set another"):
        corpus.build(_config(tmp_path, seed=1))


@needs_soundfont
@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path):
    corpus.build(_config(tmp_path / "one", num_clips=6))
    corpus.build(_config(tmp_path / "two", num_clips=6, workers=2))
    for clip in sorted((tmp_path / "one").rglob("*.flac")):
        other = tmp_path / "two" / clip.relative_to(tmp_path / "one")
        assert clip.read_bytes() == other.read_bytes()
    first, second = (tmp_path / name / corpus.MANIFEST for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


@needs_soundfont
@pytest.mark.parametrize("content", [None, b"not a soundfont"])
def test_unusable_soundfonts_are_refused(tmp_path, content):
    soundfont = tmp_path / "font.sf2"
    if content is not None:
        soundfont.write_bytes(content)
    with pytest.raises(errors.InputError, match=r"font\.sf2"):
        corpus.build(_config(tmp_path / "corpus", soundfont=str(soundfont)))


@pytest.mark.parametrize(
    "fields",
    [
        {"num_clips": 0},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"workers": 0},
        {"seed": -1},
    ],
)
def test_bad_configs_are_refused(tmp_path, fields):
    with pytest.raises(errors.InputError, match="CorpusConfig"):
        _config(tmp_path, **fields)
