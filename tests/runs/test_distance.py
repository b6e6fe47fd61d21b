"""`musicrl distance` on folders of tones, heard by an untrained MuLan."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from musicrl_jax.audio import waveform
from musicrl_jax.checkpoints import weights
from musicrl_jax.cli import main
from musicrl_jax.data import text
from musicrl_jax.models.mulan import adapter, config

RATE, SECONDS = 16_000, 1.5
SIZES = config.MulanConfig(
    num_mels=16, audio_widths=(8,), audio_blocks=1, text_width=8, text_heads=2,
    text_words=8, embedding=4, conditioning_tokens=2, codebook_size=4, min_seconds=0.5,
)  # fmt: skip


def write_clips(folder, count, pitch, seed, seconds=SECONDS):
    folder.mkdir()
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    for number in range(count):
        tone = 0.2 * np.sin(2 * np.pi * pitch * rng.uniform(0.7, 1.4) * time)
        sound = tone + 0.02 * rng.normal(size=len(time))
        waveform.write_wav(folder / f"{number:03d}.wav", sound, RATE)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Writes two folders of low tones, one of high ones, and a MuLan."""
    folder = tmp_path_factory.mktemp("distance")
    write_clips(folder / "low", 30, 300, 0)
    write_clips(folder / "also_low", 24, 300, 1)
    write_clips(folder / "high", 24, 3_000, 2)
    write_clips(folder / "short", 24, 300, 3, seconds=1.0)
    (folder / "empty").mkdir()
    write_clips(folder / "one", 1, 300, 5)
    write_clips(folder / "few", 19, 300, 6)
    tokenizer = text.TextTokenizer.build(["a low tone", "a high tone"], width=8)
    sizes = dataclasses.replace(SIZES, vocabulary_size=tokenizer.vocabulary_size)
    rng = np.random.default_rng(4)
    params = jax.tree.map(
        lambda leaf: 0.3 * rng.normal(size=leaf.shape).astype(leaf.dtype),
        adapter.make_mulan(sizes).abstract_params(),
    )
    fields = dataclasses.asdict(sizes) | {"tokenizer": tokenizer.to_dict()}
    weights.save_weights(folder / "mulan.safetensors", params, "mulan", fields)
    return folder


@pytest.fixture
def musicrl(capsys, place):
    """Measures in this process: (exit code, standard output, error lines)."""

    def run(reference, clips, *arguments):
        fixed = (
            *("--reference", place / reference, "--clips", place / clips),
            *("--networks", place, "--seconds", SECONDS),
        )
        with pytest.raises(SystemExit) as ended:
            main.main([str(x) for x in ("distance", *fixed, *arguments)])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err.splitlines()

    return run


def test_other_music_is_far_and_more_of_the_same_is_near(musicrl):
    found = {}
    for clips in ("also_low", "high"):
        code, out, lines = musicrl("low", clips, "--json")
        assert code == 0
        assert lines[-1].startswith("distance: 54 of 54")
        found[clips] = json.loads(out)
    near, far = found["also_low"], found["high"]
    for name in ("kad_gaussian", "kad_polynomial", "fad_infinity"):
        error = f"{name}_error"
        assert abs(near[name]) < 4 * near[error]
        assert far[name] > 3 * far[error]
    assert far["fad_refused"] == ""
    assert "4 dimensions, mean of three windows of 0.5 s" in far["embedding"]
    assert far["clips"].startswith("24 clips of")
    assert "fine-tuned on this MuLan's score" in far["notes"][-1]


def test_too_few_clips_for_frechet_say_why(musicrl):
    limit = ("--gin_param", "DistanceConfig.most_clips=20")
    code, out, _ = musicrl("low", "high", *limit, "--json")
    assert code == 0
    assert json.loads(out)["fad_infinity"] is not None
    limit = ("--gin_param", "DistanceConfig.most_clips=19")
    code, _, lines = musicrl("low", "high", *limit)
    assert code == 2
    assert "most_clips of 20 or more; got 1.5 and 19" in lines[-1]


@pytest.mark.parametrize(
    ("reference", "clips", "arguments", "words"),
    [
        ("empty", "low", (), "empty has none"),
        ("low", "nowhere", (), "nowhere has none"),
        ("low", "short", (), "24 of 24"),
        ("one", "low", (), "needs 20 clips or more in either set; got 1 of the refer"),
        ("low", "few", (), "20 clips or more in either set; got 30 of the reference"),
        ("low", "high", ("--seconds", "0"), "above 0"),
        ("low", "high", ("--networks", "nowhere"), "nowhere is none"),
    ],
)
def test_bad_input_is_one_line_and_code_2(musicrl, reference, clips, arguments, words):
    code, out, lines = musicrl(reference, clips, *arguments)
    assert (code, out, len(lines)) == (2, "", 1)
    assert words in lines[0]
