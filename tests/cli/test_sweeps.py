"""`musicrl sweep`: refused before anything starts, resumed, printed for engines."""

import csv
import json
import shlex
import sys

import pytest

from musicrl_jax.cli import main, sweep_trials

EXPERIMENT = ("--gin_file", "musicrl_mulan_starter")
WEIGHTS = ("--vary", "LearnerConfig.kl_weight=0.01,0.02")
# Says what it was told, fails where told to, and scores its index.
TRIAL = """
import json, pathlib, sys
index, folder, words = int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
with pathlib.Path("calls").open("a") as file:
    file.write(json.dumps(words) + chr(10))
metrics = folder / "metrics"
metrics.mkdir(parents=True, exist_ok=True)
row = {"step": 5, "reward/total": index / 10, "kl/sequence": 1.5}
(metrics / "evaluator.jsonl").write_text(json.dumps(row) + chr(10))
sys.exit(pathlib.Path(f"fail{index}").exists())
"""


@pytest.fixture
def musicrl(capsys, tmp_path, monkeypatch):
    """Runs `musicrl sweep --out sweep`: (exit code, standard output, error lines)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trial.py").write_text(TRIAL)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main.main(["sweep", "--out", "sweep", *arguments])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err.splitlines()

    return run


COMMAND = (
    "--command",
    f"{sys.executable} trial.py {{index}} {{run_dir}} {{arguments}}",
)


def calls(tmp_path):
    path = tmp_path / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def test_runs_the_grid_and_tables_it(musicrl, tmp_path):
    code, out, _ = musicrl(*EXPERIMENT, *WEIGHTS, *COMMAND, "--show", "kl/sequence")
    assert code == 0
    assert [words[1] for words in calls(tmp_path)] == [
        f"sweep/trials/{path.name}"
        for path in sorted((tmp_path / "sweep/trials").iterdir())
    ]
    assert calls(tmp_path)[1][2:] == [
        *EXPERIMENT,
        *("--gin_param", "LearnerConfig.kl_weight=0.02"),
    ]
    with (tmp_path / "sweep" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["kl_weight"] for row in rows] == ["0.02", "0.01"]
    assert rows[0]["reward/total"] == "0.1"
    assert rows[0]["kl/sequence"] == "1.5"
    assert out.splitlines()[-1] == f"best by reward/total: {rows[0]['trial']}"


def test_the_same_command_runs_only_what_is_left(musicrl, tmp_path):
    (tmp_path / "fail1").touch()
    code, _, lines = musicrl(*EXPERIMENT, *WEIGHTS, *COMMAND)
    assert code == 1
    assert "1 of 2 trials failed" in lines[-1]
    (tmp_path / "fail1").unlink()
    code, out, _ = musicrl(*EXPERIMENT, *WEIGHTS, *COMMAND, "--json")
    assert code == 0
    assert json.loads(out)["best"]["kl_weight"] == "0.02"
    assert len(calls(tmp_path)) == 3
    wider = ("--vary", "LearnerConfig.kl_weight=0.04,0.01,0.02")
    assert musicrl(*EXPERIMENT, *wider, *COMMAND)[0] == 0
    assert len(calls(tmp_path)) == 4


def test_another_base_is_refused(musicrl, tmp_path):
    musicrl(*EXPERIMENT, *WEIGHTS, *COMMAND)
    more = ("--gin_param", "LearnerConfig.steps=7")
    code, _, lines = musicrl(*EXPERIMENT, *WEIGHTS, *COMMAND, *more)
    assert code == 2
    assert "another --out" in lines[-1]
    assert len(calls(tmp_path)) == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--vary", "LearnerConfig.kl_weigth=0.1"), "kl_weigth"),
        (("--vary", "LearnerConfig.kl_weight=0.1,2"), "kl_weight must lie in [0, 1)"),
        (("--vary", "LearnerConfig.baseline=value"), "value"),
        (("--vary", "MulanConfig.width=3"), "take effect"),
        (("--vary", "LearnerConfig.kl_weight=log:1e-3:1"), "--random"),
        (("--vary", "LearnerConfig.kl_weight"), "--vary"),
        ((*WEIGHTS, "--random", "3"), "2 were found"),
        ((*WEIGHTS, *WEIGHTS), "twice"),
        ((*WEIGHTS, "--command", "echo {run_dir}"), "{arguments}"),
        ((*WEIGHTS, "--command", "echo 'x"), "--command"),
        ((*WEIGHTS, "--task", "demo"), "--task"),
        ((*WEIGHTS, "--parallel", "0"), "--parallel"),
        ((*WEIGHTS, "--out", ""), "--out"),
        ((), "--vary"),
    ],
)
def test_refusals_start_nothing(musicrl, tmp_path, arguments, word):
    command = () if "--command" in arguments else COMMAND
    code, _, lines = musicrl(*EXPERIMENT, *arguments, *command)
    assert code == 2
    assert len(lines) == 1
    assert word in lines[0]
    assert calls(tmp_path) == []
    assert not (tmp_path / "sweep").exists()


def test_prints_a_line_for_each_open_trial(musicrl, tmp_path):
    draw = (
        "--vary",
        "LearnerConfig.policy_learning_rate=log:1e-5:1e-3",
        "--random",
        "3",
    )
    place = ("--trials_dir", "gs://bucket/sweep", "--print_commands", "--seed", "4")
    # A bucket is asked which trials are done; there is none here.
    place = tuple(word.replace("gs://bucket", "memory://bucket") for word in place)
    code, out, _ = musicrl(*EXPERIMENT, *draw, *place)
    lines = [shlex.split(line) for line in out.splitlines()]
    assert code == 0
    assert len(lines) == 3
    for words in lines:
        assert words[:3] == ["musicrl", "finetune", "--run_dir"]
        assert words[3].startswith("memory://bucket/sweep/policy_learning_rate-")
        value = float(words[-1].removeprefix("LearnerConfig.policy_learning_rate="))
        assert 1e-5 <= value <= 1e-3
    assert not (tmp_path / "sweep").exists()


def test_the_default_command_is_that_of_the_task():
    words = sweep_trials.read_template(None, "pretrain_musiclm")
    assert words == ("musicrl", "pretrain", "musiclm", "{arguments}")


def test_trials_of_pretraining_write_their_own_weights(musicrl):
    code, out, _ = musicrl(
        *(
            "--task",
            "pretrain_musiclm",
            "--vary",
            "PretrainConfig.learning_rate=1e-4,1e-3",
        ),
        "--print_commands",
    )
    assert code == 0
    lines = [shlex.split(line) for line in out.splitlines()]
    for words in lines:
        assert words[:3] == ["musicrl", "pretrain", "musiclm"]
        folder = words[words.index("--run_dir") + 1]
        assert words[words.index("--out") + 1] == f"{folder}/musiclm.safetensors"
    assert len({words[4] for words in lines}) == 2
