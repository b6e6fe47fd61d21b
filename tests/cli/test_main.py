"""Commands end with the right code and one line of error, and help is quick."""

import json
import resource
import subprocess
import sys

import pytest

from musicrl_jax.cli import listen, main
from musicrl_jax.core import errors


@pytest.fixture
def musicrl(capsys):
    """Runs a command in this process: (exit code, standard output, error lines)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err.splitlines()

    return run


def refusal(musicrl, *arguments):
    code, _, lines = musicrl(*arguments)
    assert code == 2
    assert len(lines) == 1, lines
    assert lines[0].startswith("musicrl: ")
    return lines[0]


def test_help_is_quick_and_names_the_commands():
    # Processor time, which other work on the machine does not lengthen.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "musicrl_jax.cli.main", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    for command in ("demo", "generate", "finetune", "learner", "actor", "pretrain"):
        assert command in done.stdout
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    assert user + system < 1.0


@pytest.mark.parametrize("command", main.COMMANDS, ids=lambda c: c.__name__)
def test_every_command_has_help(musicrl, command):
    code, out, lines = musicrl(command.__name__, "--help")
    assert (code, lines) == (0, [])
    assert command.__doc__.splitlines()[0] in out


def test_experiments_are_found_from_any_folder_without_a_word(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "musicrl_jax.cli.main", "config", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "DemoConfig.out" in done.stdout


def test_refuses_unknown_command(musicrl):
    assert "No such command" in refusal(musicrl, "compose")


def test_refuses_unknown_option(musicrl):
    assert "--sceonds" in refusal(
        musicrl, "generate", "--prompt", "a", "--sceonds", "3"
    )


def test_refuses_missing_prompt(musicrl):
    assert "--prompt" in refusal(musicrl, "generate")


def test_refuses_negative_seed(musicrl):
    assert "--seed" in refusal(musicrl, "corpus", "--seed", "-1")


def test_refuses_missing_gin_file(musicrl):
    line = refusal(musicrl, "finetune", "--gin_file", "no_such.gin")
    assert "no_such.gin" in line


def test_refuses_unknown_experiment_and_names_the_known(musicrl):
    assert "pretrain_codec" in refusal(musicrl, "config", "musicrl_x")


def test_refuses_malformed_gin_file(musicrl, tmp_path):
    path = tmp_path / "bad.gin"
    path.write_text("LearnerConfig.steps = = 3\n")
    assert "bad.gin" in refusal(musicrl, "finetune", "--gin_file", str(path))


def test_refuses_unknown_binding(musicrl):
    line = refusal(musicrl, "config", "gin/runs/corpus.gin", "--gin_param", "A.b=1")
    assert "'A'" in line


def test_refuses_binding_without_effect(musicrl):
    line = refusal(
        musicrl, "config", "gin/runs/corpus.gin", "--gin_param", "MeshConfig.data=1"
    )
    assert "take effect" in line


def test_refuses_unwritable_output(musicrl, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    line = refusal(musicrl, "corpus", "--out", str(path / "corpus"))
    assert str(path) in line


def test_prints_the_resolved_config(musicrl):
    arguments = ("config", "gin/runs/corpus.gin", "--gin_param", "CorpusConfig.seed=7")
    code, out, _ = musicrl(*arguments)
    assert code == 0
    assert "CorpusConfig.seed = 7" in out
    assert "CorpusConfig.sample_rate_hz = 16000" in out
    code, out, _ = musicrl(*arguments, "--json")
    assert json.loads(out)["seed"] == 7


def test_config_works_from_any_folder(musicrl, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = musicrl("config", "pretrain_codec")
    assert code == 0
    assert "CodecConfig.levels = 4" in out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("rule"), 2),
        (errors.InvariantError("rule"), 70),
        (errors.TemporaryError("rule"), 75),
        (errors.ConfigMismatchError("rule"), 78),
        (errors.Preempted("rule"), 143),
        (PermissionError("no right"), 2),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes(musicrl, monkeypatch, error, code):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(listen.running, "run", fail)
    ended, _, lines = musicrl("demo")
    assert ended == code
    assert len(lines) == 1


def test_debug_shows_the_traceback(monkeypatch):
    def fail(*_, **__):
        raise errors.InputError("rule")

    monkeypatch.setattr(listen.running, "run", fail)
    with pytest.raises(errors.InputError):
        main.main(["demo", "--debug"])


def test_doctor_reports_this_machine(musicrl):
    code, out, _ = musicrl("doctor", "--json")
    assert code == 0
    assert json.loads(out)["python"].startswith("3.")


def test_captions_become_prompts(musicrl, tmp_path):
    text = tmp_path / "captions.txt"
    text.write_text("a slow waltz\n\nein Walzer für Akkordeon\n", encoding="utf-8")
    out = tmp_path / "captions.jsonl"
    code, shown, _ = musicrl("captions", str(text), "--out", str(out), "--json")
    assert code == 0
    assert json.loads(shown)["captions"] == 2
    assert "Akkordeon" in out.read_text(encoding="utf-8")


def test_refuses_captions_that_are_no_text(musicrl, tmp_path):
    path = tmp_path / "captions.txt"
    path.write_bytes(b"\xff\xfe")
    assert "UTF-8" in refusal(musicrl, "captions", str(path))
