"""`musicrl recipe --gin_param`: each step takes the bindings of its own configs."""

import pytest

from musicrl_jax.cli import main
from musicrl_jax.data import preference_choices
from musicrl_jax.runs import recipe

BY_COUNT = "SelectionConfig.exact_counts=(380, 20)"


def call(*arguments):
    """Returns the exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    return ended.value.code or 0


def test_a_binding_goes_to_each_step_that_has_its_config(capsys):
    words = ("LearnerConfig.steps=2000", BY_COUNT, "TraitConfig.seconds=5.0")
    command = ["recipe", "all", "--run_dir", "run", "--print_commands"]
    assert not call(*command, *(x for one in words for x in ("--gin_param", one)))
    lines = capsys.readouterr().out.splitlines()
    found = [[line.split()[1] for line in lines if one in line] for one in words]
    policies = ["finetune"] * 4
    assert found == [policies, ["pretrain"], ["preferences", "population"]]


@pytest.mark.parametrize(
    ("name", "param", "said"),
    [
        ("all", "CodecConfig.width=3", "CodecConfig.width=3 binds none"),
        ("r", BY_COUNT, "one of its steps; SelectionConfig"),
        ("u", "SelectionConfig.exact_counts=(380,)", "got 0.0 and (380,)"),
        ("ru", "LearnerConfig.stepps=3", "stepps"),
        ("ru", "steps=3", "steps=3 binds none"),
    ],
)
def test_a_binding_that_no_step_takes_is_refused(
    capsys, tmp_path, monkeypatch, name, param, said
):
    monkeypatch.chdir(tmp_path)
    assert call("recipe", name, "--run_dir", "run", "--gin_param", param) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(tmp_path.iterdir())


def test_a_given_set_is_looked_at_as_the_preference_step_will(tmp_path, monkeypatch):
    selections = []
    monkeypatch.setattr(recipe, "run", lambda *given: selections.append(given[-1]))
    command = ["recipe", "ru", "--run_dir", str(tmp_path / "run")]
    command += ["--preferences", str(tmp_path)]
    assert not call(*command)
    assert not call(*command, "--gin_param", BY_COUNT)
    assert selections == [
        preference_choices.SelectionConfig(),
        preference_choices.SelectionConfig(exact_counts=(380, 20)),
    ]
