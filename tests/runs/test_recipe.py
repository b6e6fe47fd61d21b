"""The steps of a recipe: their order, their commands, how they end and go on."""

import contextlib
import itertools
import pathlib
import re
import shutil
import subprocess
import sys
import types

import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import preference_choices
from musicrl_jax.evaluation import prompts
from musicrl_jax.runs import directory_lock, recipe, recipe_steps, system
from tests.runs import preference_data


def config(tmp_path, name="ru", **fields):
    return recipe_steps.RecipeConfig(name=name, run_dir=str(tmp_path / "run"), **fields)


def names(settings):
    return [step.name for step in recipe_steps.steps(settings)]


def test_ru_follows_r_and_the_preference_model(tmp_path):
    assert names(config(tmp_path)) == ["r", "preferences", "preference", "ru"]
    given = config(tmp_path, preferences="votes")
    assert names(given) == ["r", "preference", "ru"]
    (line,) = [
        x for x in recipe.commands(given) if "finetune" in x and "musicrl_ru" in x
    ]
    assert "RunConfig.policy=" in line
    assert "run/r.safetensors" in line
    assert "run/preference.safetensors" in line


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("r", ["r"]),
        ("u", ["preferences", "preference", "u"]),
        ("joint", ["preferences", "preference", "joint"]),
    ],
)
def test_each_recipe_has_what_it_needs(tmp_path, name, wanted):
    assert names(config(tmp_path, name)) == wanted


def test_all_compares_the_policies_with_the_base(tmp_path):
    found = recipe_steps.steps(config(tmp_path, "all", starter=True))
    assert [step.name for step in found][-2:] == ["population", "report"]
    (words,) = found[-2].commands
    models = [x.split("=")[0] for x in words if "safetensors" in x]
    assert models == ["base", "r", "u", "ru", "joint"]
    assert all("_starter" in " ".join(step.commands[0]) for step in found[:-1])


def test_people_are_not_asked_again_by_a_program(tmp_path):
    votes = tmp_path / "votes"
    votes.mkdir()
    found = recipe_steps.steps(config(tmp_path, "all", preferences=str(votes)))
    assert [step.name for step in found][-1] == "report"
    assert "population" not in [step.name for step in found]
    assert "--population" not in found[-1].commands[0]
    (votes / recipe_steps.POPULATION).touch()
    found = recipe_steps.steps(config(tmp_path, "all", preferences=str(votes)))
    assert str(votes / recipe_steps.POPULATION) in found[-2].commands[0]


def test_missing_inputs_are_refused_before_the_first_step(tmp_path, fake_commands):
    with pytest.raises(errors.InputError, match=r"pairs\.jsonl"):
        recipe.run(config(tmp_path, preferences=str(tmp_path / "typo")))
    with pytest.raises(errors.InputError, match="networks"):
        recipe.run(config(tmp_path, networks=str(tmp_path / "typo")))
    assert not fake_commands.exists()


def test_too_few_prompts_to_compare_on_are_refused_before_the_first_step(
    tmp_path, fake_commands
):
    shipped, few = system.networks_directory(""), tmp_path / "networks"
    shutil.copytree(shipped, few)
    found = prompts.read_prompts(few / system.HELD_OUT_PROMPTS)
    prompts.write_prompts(few / system.HELD_OUT_PROMPTS, found[:239])
    with pytest.raises(errors.InputError, match="8000 pairs leave 159"):
        recipe.run(config(tmp_path, "all", networks=str(few)))
    assert not fake_commands.exists()


@pytest.mark.parametrize("name", ["ru", "joint"])
def test_a_set_that_cannot_be_learned_from_is_refused_before_the_first_step(
    tmp_path, fake_commands, name
):
    votes = preference_data.write_set(tmp_path / "votes")
    nets = preference_data.write_networks(tmp_path / "nets")
    rows = (votes / "pairs.jsonl").read_text()
    given = config(tmp_path, name, preferences=str(votes), networks=str(nets))

    def refused(text, said):
        (votes / "pairs.jsonl").write_text(text)
        with pytest.raises(errors.InputError, match=said):
            recipe.run(given)

    refused("", "it is empty")
    refused(re.sub('"choice": "[ab]"', '"choice": "tie"', rows), "leave 0 and 0")
    one = re.sub('"caption": "[^"]*"', '"caption": "calm"', rows)
    refused(one, r"leave 400 and 0\. .* SelectionConfig\.exact_counts=\(380, 20\)")
    assert not fake_commands.exists()
    assert not (tmp_path / "run").exists()
    by_count = preference_choices.SelectionConfig(exact_counts=(380, 20))
    assert "preference" in recipe.run(given, selection=by_count)


def test_looking_at_a_set_uses_no_device(tmp_path):
    """The steps are processes of their own, and a device is held by one process."""
    votes = preference_data.write_set(tmp_path / "votes")
    nets = preference_data.write_networks(tmp_path / "nets")
    program = (
        "import pathlib, sys\n"
        "from musicrl_jax.data import preference_choices\n"
        "from musicrl_jax.runs import preference_pairs\n"
        "from jax._src import xla_bridge\n"
        "preference_pairs.check(sys.argv[1], preference_choices.SelectionConfig(),\n"
        "    pathlib.Path(sys.argv[2]))\n"
        "sys.exit(xla_bridge.backends_are_initialized())"
    )
    words = [sys.executable, "-c", program, str(votes), str(nets)]
    assert subprocess.run(words, check=False).returncode == 0


def test_the_same_folder_in_another_spelling_goes_on(
    tmp_path, fake_commands, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for spelling, ran in (("run", ["r"]), ("run/", []), ("./run", [])):
        same = recipe_steps.RecipeConfig(name="r", run_dir=spelling)
        assert recipe.run(same) == ran


def test_unknown_recipes_and_buckets_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="Recipes are r, u, ru"):
        config(tmp_path, "rlhf")
    with pytest.raises(errors.InputError, match="print_commands"):
        recipe_steps.RecipeConfig(name="r", run_dir="gs://bucket/r")


@pytest.fixture
def fake_commands(tmp_path, monkeypatch):
    """Puts a script in place of `musicrl` that writes the file after --out."""
    script = tmp_path / "fake.py"
    script.write_text(
        "import pathlib, sys\n"
        "log = pathlib.Path(sys.argv[1])\n"
        "with log.open('a') as file: file.write(sys.argv[2] + '\\n')\n"
        "if (log.parent / 'fail').exists() and sys.argv[2] == 'select': sys.exit(1)\n"
        "if (log.parent / 'refuse').exists(): sys.exit(2)\n"
        "if '--out' in sys.argv:\n"
        "    out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])\n"
        "    out = out if out.suffix else out / 'pairs.jsonl'\n"
        "    out.parent.mkdir(parents=True, exist_ok=True); out.touch()\n"
        "if (log.parent / f'end_{sys.argv[2]}').exists(): sys.exit(1)\n"
    )
    log = tmp_path / "log"
    started = recipe.subprocess.Popen

    def start(command):
        return started([sys.executable, str(script), str(log), *command[3:]])

    monkeypatch.setattr(recipe.subprocess, "Popen", start)
    return log


def test_a_finished_step_is_not_repeated(tmp_path, fake_commands):
    assert recipe.run(config(tmp_path, "r")) == ["r"]
    assert fake_commands.read_text().split() == ["finetune", "select"]
    assert recipe.run(config(tmp_path, "r")) == []
    assert recipe.run(config(tmp_path)) == ["preferences", "preference", "ru"]


def test_recipes_share_a_folder_in_any_order(tmp_path, monkeypatch):
    calls = []

    def finished(command):
        calls.append(command[3:])
        if "--out" in command:
            out = pathlib.Path(command[command.index("--out") + 1])
            files = {"preferences": "pairs.jsonl", "population": "population.json"}
            files["report"] = "report.html"
            out = out / files[out.name] if out.name in files else out
            out.parent.mkdir(parents=True, exist_ok=True)
            out.touch()
        process = types.SimpleNamespace(poll=lambda: 0, returncode=0)
        return contextlib.nullcontext(process)

    monkeypatch.setattr(recipe.subprocess, "Popen", finished)
    nets = tmp_path / "nets"
    nets.mkdir()
    (nets / "musiclm.safetensors").touch()
    shipped = system.networks_directory("") / system.HELD_OUT_PROMPTS
    shutil.copy(shipped, nets / system.HELD_OUT_PROMPTS)
    every = recipe_steps.steps(config(tmp_path, "all"))
    for number, order in enumerate(itertools.permutations(recipe_steps.RECIPES)):
        calls.clear()
        for name in order:
            recipe.run(config(tmp_path / str(number), name, networks=str(nets)))
        assert len(calls) == sum(len(step.commands) for step in every), order


def test_a_step_follows_from_those_whose_files_it_reads(tmp_path):
    for given in ("", str(tmp_path / "votes")):
        for step in recipe_steps.steps(config(tmp_path, "all", preferences=given)):
            words = " ".join(word for words in step.commands for word in words)
            named = set(re.findall(f"{tmp_path}/run/([a-z]+)", words))
            assert named - {step.name} == set(step.after), step.name


def test_a_failed_step_is_tried_again_and_bad_input_is_not(tmp_path, fake_commands):
    (tmp_path / "fail").touch()
    with pytest.raises(
        errors.TemporaryError, match="`musicrl select` ended with code 1"
    ):
        recipe.run(config(tmp_path, "r"))
    (tmp_path / "fail").unlink()
    assert recipe.run(config(tmp_path, "r")) == ["r"]
    (tmp_path / "refuse").touch()
    with pytest.raises(errors.InputError, match="`musicrl preferences` refused"):
        recipe.run(config(tmp_path))


def test_a_set_that_lacks_its_record_is_not_collected_again(tmp_path, fake_commands):
    (tmp_path / "end_preferences").touch()
    for _ in range(2):
        with pytest.raises(errors.TemporaryError, match="`musicrl preferences`"):
            recipe.run(config(tmp_path, "u"))
        (tmp_path / "run/preferences/pairs.jsonl").unlink()
    with pytest.raises(errors.TemporaryError):
        recipe.run(config(tmp_path, "u"))
    assert recipe.run(config(tmp_path, "u")) == ["preference", "u"]
    assert fake_commands.read_text().split()[3:] == ["pretrain", "finetune", "select"]


def test_what_is_not_made_again_appears_whole(tmp_path):
    """`musicrl preferences` and `musicrl population` refuse what they have written."""
    found = recipe_steps.steps(config(tmp_path, "all"))
    whole = [step.name for step in found if step.whole]
    assert whole == ["preferences", "population"]


def test_one_recipe_at_a_time_works_in_a_folder(tmp_path, fake_commands):
    with (
        directory_lock.only_one(tmp_path / "run", "recipe"),
        pytest.raises(errors.InputError, match="One `musicrl recipe`"),
    ):
        recipe.run(config(tmp_path, "r"))
    assert not fake_commands.exists()


def test_other_settings_in_the_same_folder_are_refused(tmp_path, fake_commands):
    recipe.run(config(tmp_path, "r"))
    with pytest.raises(errors.InputError, match="other settings"):
        recipe.run(config(tmp_path, "r", seed=3))


@pytest.mark.parametrize(
    "changed", ["votes/pairs.jsonl", "nets/a.safetensors", "x.gin"]
)
def test_changed_contents_in_the_same_folder_are_refused(
    tmp_path, fake_commands, changed
):
    preference_data.write_set(tmp_path / "votes")
    preference_data.write_networks(tmp_path / "nets")
    (tmp_path / "nets/a.safetensors").write_text("before")
    (tmp_path / "x.gin").write_text("before")
    given = config(
        tmp_path, "u", preferences=str(tmp_path / "votes"),
        networks=str(tmp_path / "nets"),
    )  # fmt: skip

    def gin_files(name):
        assert name in ("pretrain_preference", "musicrl_u")
        return [tmp_path / "x.gin"]

    assert recipe.run(given, gin_files) == ["preference", "u"]
    assert recipe.run(given, gin_files) == []
    with (tmp_path / changed).open("a") as file:
        file.write("\n")
    name = changed.rpartition("/")[2]
    with pytest.raises(
        errors.InputError, match=f"'preference' .* contents of .*{name}"
    ):
        recipe.run(given, gin_files)
    assert fake_commands.read_text().split() == ["pretrain", "finetune", "select"]
