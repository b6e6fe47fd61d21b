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
