"""`musicrl generate` on tiny networks: sound, repetition, and bad input in one line."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from musicrl_jax.checkpoints import weights
from musicrl_jax.cli import main
from musicrl_jax.evaluation import prompts
from musicrl_jax.runs import generate, select_policy
from musicrl_jax.transport import keys
from musicrl_jax.transport import store as stores
from tests.runs import measured_runs


@pytest.fixture
def musicrl(capsys):
    """Runs a command in this process; returns its exit code, output and errors."""

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


def refused(result, *words):
    """Checks for exit code 2 and one line that has `words`."""
    code, _, err = result
    assert code == 2, err
    assert len(err.strip().splitlines()) == 1, err
    for word in words:
        assert word in err


def test_the_same_seed_is_the_same_music_and_another_seed_is_not(
    musicrl, networks, tmp_path
):
    clips = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / f"{name}.wav"
        code, text, err = musicrl(
            "generate", "--prompt", "a slow waltz", "--seconds", 2, "--seed", seed,
            "--networks", networks, "--out", out, "--json",
        )  # fmt: skip
        assert code == 0, err
        (row,) = json.loads(text)["clips"]
        clips[name], rate = soundfile.read(out)
        assert len(clips[name]) == 2 * rate
        assert row["seconds"] == 2.0
    np.testing.assert_array_equal(clips["a"], clips["b"])
    assert np.abs(clips["a"] - clips["c"]).max() > 0


@pytest.mark.slow
def test_a_soundstream_takes_the_codecs_place(musicrl, networks, tiny, tmp_path):
    folder, clips = tmp_path / "networks", {}
    shutil.copytree(networks, folder)
    tiny.write_soundstream(folder)
    for name, directory in (("spectral", networks), ("soundstream", folder)):
        out = tmp_path / f"{name}.wav"
        code, _, err = musicrl(
            "generate", "--prompt", "a slow waltz", "--seconds", 2, "--seed", 1,
            "--networks", directory, "--out", out,
        )  # fmt: skip
        assert code == 0, err
        clips[name], rate = soundfile.read(out)
        assert len(clips[name]) == 2 * rate
    assert np.std(clips["soundstream"]) > 0
    assert np.abs(clips["soundstream"] - clips["spectral"]).max() > 0


def test_the_policy_of_a_run_is_its_best_step(musicrl, networks, tmp_path):
    network, fields = weights.read_config(networks / "musiclm.safetensors")
    leaves = weights.read_leaves(networks / "musiclm.safetensors")
    tuned = tmp_path / "tuned.safetensors"
    moved = {name: 3 * leaf for name, leaf in leaves.items()}
    weights.save_weights(tuned, moved, network, fields)
    run = measured_runs.write_run(tmp_path / "run")
    key = keys.policy_key(select_policy.select(str(run)).step)
    store = stores.open_store(str(run))
    store.delete(key)
    store.put_if_absent(key, tuned.read_bytes())
    clips = {}
    for name, policy in (("base", ()), ("file", (tuned,)), ("run", (run,))):
        out = tmp_path / f"{name}.wav"
        code, _, err = musicrl(
            "generate", "--prompt", "a slow waltz", "--seconds", 1, "--networks",
            networks, "--out", out, *(("--policy", *policy) if policy else ()),
        )  # fmt: skip
        assert code == 0, err
        clips[name] = soundfile.read(out)[0]
    np.testing.assert_array_equal(clips["run"], clips["file"])
    assert np.abs(clips["run"] - clips["base"]).max() > 0


def test_several_prompts_give_one_file_each(musicrl, networks, tmp_path):
    out = tmp_path / "clips"
    code, _, err = musicrl(
        "generate", "--prompt", "a tango", "--prompt", "静かなピアノ曲", "--seconds", 1,
        "--networks", networks, "--out", out,
    )  # fmt: skip
    assert code == 0, err
    assert sorted(path.name for path in out.iterdir()) == ["000.wav", "001.wav"]


def test_words_that_the_text_tower_does_not_know_are_told_in_one_line(
    musicrl, networks, tmp_path, caplog
):
    code, _, err = musicrl(
        "generate", "--prompt", "a quokka tango", "--prompt", "a quokka waltz",
        "--seconds", 1, "--networks", networks, "--out", tmp_path / "clips",
    )  # fmt: skip
    assert code == 0, err
    (line,) = [text for text in caplog.messages if "text tower" in text]
    assert line.count("quokka") == 1


@pytest.mark.slow
def test_prompts_of_a_file_sound_the_same_in_any_batch(musicrl, networks, tmp_path):
    (tmp_path / "prompts.txt").write_text("a tango\n\na slow waltz\nsomething else\n")
    made = {}
    for size in (2, 8):
        out = tmp_path / str(size)
        code, text, err = musicrl(
            "generate", "--prompts_file", tmp_path / "prompts.txt", "--seconds", 1,
            "--networks", networks, "--out", out, "--json",
            "--gin_param", f"GenerateConfig.clips_per_call={size}",
        )  # fmt: skip
        assert code == 0, err
        rows = json.loads(text)["clips"]
        assert [row["prompt"] for row in rows] == [
            "a tango", "a slow waltz", "something else",
        ]  # fmt: skip
        made[size] = [soundfile.read(out / f"{n:03d}.wav")[0] for n in range(3)]
    for number, one in enumerate(made[2]):
        noise = [_noise_db(one, other) for other in made[8]]
        # Products of other shapes are rounded otherwise, which may turn a fine token.
        assert noise.pop(number) < -30
        assert min(noise) > -10


def _noise_db(one, other):
    """Returns the power of the difference over that of the first, in decibels."""
    power = np.mean(np.square(one - other)) / np.mean(np.square(one))
    return 10 * np.log10(power + 1e-12)


def test_the_papers_prompts_come_in_its_order():
    config = generate.GenerateConfig(paper_prompts=True)
    found = generate.all_prompts(config)
    assert found == tuple(prompt.text for prompt in prompts.paper_prompts())
    assert len(found) == 101


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--prompt", "got 0")),
        (("--prompt", "a tango", "--paper_prompts"), ("one source", "got 2")),
        (("--prompts_file", "/nowhere.txt"), ("/nowhere.txt",)),
        (("--prompt", ""), ("prompt needs words",)),
        (("--prompt", "   "), ("prompt needs words",)),
        (("--prompt", "la " * 1000), ("2000 characters", "3000")),
        (("--prompt", "a tango", "--seconds", "-5"), ("seconds", "-5")),
        (("--prompt", "a tango", "--seconds", "nan"), ("seconds", "nan")),
        (("--prompt", "a tango", "--networks", "/nowhere"), ("/nowhere",)),
        (("--prompt", "a tango", "--policy", "/nowhere"), ("/nowhere",)),
        (("--prompt", "a tango", "--out", "a.mp3"), (".wav or .flac", "a.mp3")),
        (("--prompt", "a tango", "--out", "sound"), (".wav or .flac", "sound")),
    ],
)
def test_bad_requests_are_refused(musicrl, networks, tmp_path, arguments, words):
    base = ("--networks", networks) if "--networks" not in arguments else ()
    result = musicrl("generate", *base, "--out", tmp_path / "a.wav", *arguments)
    refused(result, *words)
    assert not (tmp_path / "a.wav").exists()


def test_an_unwritable_output_is_refused_before_sampling(musicrl, networks, tmp_path):
    out = tmp_path / "missing" / "a.wav"
    refused(
        musicrl("generate", "--prompt", "x", "--networks", networks, "--out", out),
        str(out),
    )


@pytest.mark.parametrize("damage", ["truncated", "another shape", "another network"])
def test_damaged_networks_are_refused(musicrl, networks, tmp_path, damage):
    copy = tmp_path / "networks"
    shutil.copytree(networks, copy)
    file = copy / "musiclm.safetensors"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "another network":
        shutil.copy(copy / "codec.safetensors", file)
    else:
        widen(file)
    result = musicrl(
        "generate", "--prompt", "a tango", "--networks", copy,
        "--out", tmp_path / "a.wav",
    )  # fmt: skip
    refused(result, str(file))


def widen(file):
    """Rewrites a weights file with a config that its leaves do not fit."""
    network, config = weights.read_config(file)
    config["musiclm"]["width"] *= 2
    with weights.safetensors.safe_open(str(file), framework="numpy") as opened:
        leaves = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    metadata = {"network": network, "config": json.dumps(config), "format": "1"}
    weights.safetensors.numpy.save_file(leaves, file, metadata=metadata)
