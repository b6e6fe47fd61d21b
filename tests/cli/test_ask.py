"""What cannot be asked is refused in one line, before any work."""

import re

import pytest
from gin import config_parser

from musicrl_jax.cli import gin_files, main


@pytest.fixture
def refused(capsys):
    """Runs a command that ends with exit code 2; returns its line of error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main.main(arguments)
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


def files(folder):
    return sorted(path.name for path in folder.rglob("*"))


def votes(folder, *arguments):
    return ("votes", "--audio", str(folder), "--out", str(folder / "set"), *arguments)


def test_votes_are_of_one_data_set(refused, tmp_path):
    assert "got none" in refused(*votes(tmp_path))
    line = refused(*votes(tmp_path, "--aime", "a.csv", "--cmi_pref", "b.csv"))
    assert "got aime and cmi_pref" in line


def test_preferences_need_networks(refused, tmp_path):
    out, missing = str(tmp_path / "set"), str(tmp_path / "none")
    line = refused("preferences", "--out", out, "--networks", missing)
    assert "is none" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("select none", "A run directory holds config/run.json; none does not"),
        ("select .", "config/run.json; . does not. Pass the --run_dir"),
        ("select file", "must be a directory"),
        ("report none", "config/run.json; none does not"),
        ("select none --kl_budget -1", "greater than or equal to 0; got -1"),
        ("preferences --out set --captions 0", "equal to 1; got 0"),
        ("preferences --out set --seconds -3", "must be 1 or more"),
        ("preferences --out set --policy no.safetensors", "no.safetensors is not (No"),
        ("preferences --out set --population no.json", "is not: No such file"),
        ("preferences --out set --population half.json", "is not: it lacks 'traits'"),
        ("votes --audio . --out set --aime no.csv", "no.csv: No such file"),
        ("votes --audio . --out set --aime half.json", "read from .csv and .jsonl"),
        ("population --policy a --policy b --population x", "name=weights file; got"),
        ("population --policy a=x --policy a=y --population x", "got a, a. Pass"),
        ("study plan", "two models or more; got none"),
        ("study plan a=. b=.", "202 of 202 are missing"),
        ("study plan a=. b=. --prompts_file no.txt", "no.txt: No such file"),
        ("study analyse --tasks . --ratings no.csv", "key.jsonl as `musicrl study"),
        ("study panel --recorded no.csv --panel no.csv", "no.csv: No such file"),
        ("recipe tango --run_dir run", "'tango' is not one of 'r'"),
        ("recipe r --run_dir file", "file is a file. Set another --run_dir"),
        ("recipe r --run_dir gs://x/y", "got 'gs://x/y'. Set --run_dir"),
        ("recipe r --run_dir run --networks .", "musiclm.safetensors; . has none"),
        ("recipe u --run_dir run --preferences .", "there is no pairs.jsonl"),
    ],
)
def test_mistakes_are_said_in_one_line_and_leave_nothing(
    refused, tmp_path, monkeypatch, command, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "half.json").write_text('{"simulated": true}')
    assert said in refused(*command.split())
    assert files(tmp_path) == ["file", "half.json"]


@pytest.mark.parametrize("seconds", ["nan", "inf"])
@pytest.mark.parametrize(
    "command",
    [
        "votes --audio . --out set --aime no.csv --seconds",
        "votes --audio . --out set --aime no.csv --min_seconds",
        "preferences --out set --seconds",
        "population --policy a=x --policy b=y --population x --seconds",
        "adherence --seconds",
        "distance --reference . --clips . --seconds",
        "generate --prompt waltz --seconds",
        "export x --out set --seconds",
    ],
)
def test_lengths_are_finite(refused, tmp_path, monkeypatch, command, seconds):
    monkeypatch.chdir(tmp_path)
    line = refused(*command.split(), seconds)
    assert "econds" in line
    assert f"got {seconds}" in line
    assert not files(tmp_path)


def population(folder, *arguments):
    models = ("--policy", "base=a", "--policy", "tuned=b")
    return ("population", *models, "--population", str(folder / "x.json"), *arguments)


def test_populations_compare_two_models(refused, tmp_path):
    command = ("population", "--policy", "base=a", "--population", str(tmp_path))
    assert "two models or more" in refused(*command)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("preferences",), "--out"),
        (("votes", "--audio", "a"), "--out"),
        (("votes", "--out", "a"), "--audio"),
        (("population", "--policy", "a=b"), "--population"),
        (("population", "--population", "a"), "--policy"),
        (("study", "analyse", "--ratings", "a"), "--tasks"),
        (("study", "analyse", "--tasks", "a"), "--ratings"),
        (("study", "panel", "--panel", "a"), "--recorded"),
        (("recipe", "r"), "--run_dir"),
        (("ablations",), "--preferences"),
    ],
)
def test_what_is_required_is_asked_for_at_once(
    refused, tmp_path, monkeypatch, command, option
):
    monkeypatch.chdir(tmp_path)
    assert f"Missing option '{option}'" in refused(*command)
    assert not files(tmp_path)


def test_outputs_are_tried_before_the_work(refused, tmp_path):
    (tmp_path / "file").write_text("")
    below = str(tmp_path / "file" / "set")
    missing = str(tmp_path / "none.csv")
    for command in (
        ("preferences", "--out", below),
        ("votes", "--audio", str(tmp_path), "--aime", missing, "--out", below),
        population(tmp_path, "--out", below),
    ):
        assert "in a writable place" in refused(*command)
    assert files(tmp_path) == ["file"]


def test_results_are_not_written_over(refused, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "population.json").write_text("{}")
    missing = str(tmp_path / "none.csv")
    out = str(tmp_path / "set")
    assert "has files" in refused("preferences", "--out", out)
    assert "has files" in refused(*votes(tmp_path, "--aime", missing))
    assert "holds votes already" in refused(*population(tmp_path, "--out", out))
    assert files(tmp_path) == ["population.json", "set"]


# Of each command: the gin file of its defaults, and the fields of its options.
DEFAULTS = {
    "preferences": {
        "--captions": "SimulatedPreferencesConfig.captions",
        "--seconds": "TraitConfig.seconds",
    },
    "votes": {
        "--min_seconds": "ImportPreferencesConfig.min_seconds",
        "--seconds": "ImportPreferencesConfig.seconds",
        "--max_bad_share": "ImportPreferencesConfig.max_bad_share",
    },
    "population": {
        "--out": "PopulationJudgeConfig.out",
        "--prompts": "PopulationJudgeConfig.prompts",
        "--seconds": "TraitConfig.seconds",
    },
    "study_plan": {"--raters": "StudyPlanConfig.raters"},
    "study_analysis": {"--max_bad_share": "StudyAnalysisConfig.max_bad_share"},
    "ablations": {"--run_dir": "PreferenceAblationsConfig.run_dir"},
}
WORDS = {"study_plan": ("study", "plan"), "study_analysis": ("study", "analyse")}


@pytest.mark.parametrize("command", DEFAULTS)
def test_help_says_the_defaults_of_the_gin_file(command, capsys):
    with pytest.raises(SystemExit):
        main.main([*WORDS.get(command, (command,)), "--help"])
    text = " ".join(capsys.readouterr().out.split())
    path = gin_files.find(f"gin/runs/{command}.gin")
    bound = {
        f"{one.selector}.{one.arg_name}": one.value
        for one, _ in gin_files.statements(path.read_text(encoding="utf-8"), command)
        if isinstance(one, config_parser.BindingStatement)
    }
    for option, field in DEFAULTS[command].items():
        said = re.search(rf" {option} <.*?\[default: \((.*?)\)", text)
        assert said is not None, option
        assert said[1] == str(bound[field])
