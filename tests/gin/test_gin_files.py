"""Every gin file is read, every experiment builds, every bound name exists."""

import dataclasses
import pathlib

import pytest

from musicrl_jax.cli import bindings, configurables, gin_files
from musicrl_jax.runs import pretrain_semantic, pretrain_soundstream

ROOT = pathlib.Path(__file__).parents[2]
FILES = sorted((ROOT / "gin").rglob("*.gin"))
RUNS = sorted((ROOT / "gin" / "runs").glob("*.gin"))
MODELS = sorted((ROOT / "gin" / "models").glob("*.gin"))
EXPERIMENTS = sorted((ROOT / "gin" / "experiments").glob("*.gin"))
ROOTS = {command.config for command in configurables.COMMANDS.values()}


def root_of(path):
    """Returns the one config that a file's command takes."""
    usage = gin_files.scan([path], ())
    found = ROOTS & usage.bound.keys() - usage.referenced.keys()
    assert len(found) == 1, found
    return found.pop()


def stem(path):
    return path.stem


@pytest.mark.parametrize("path", RUNS + EXPERIMENTS, ids=stem)
def test_file_builds_its_config(path):
    resolved = bindings.resolve(root_of(path), [path])
    assert dataclasses.is_dataclass(resolved.config)


@pytest.mark.parametrize("path", FILES, ids=stem)
def test_bound_names_and_arguments_exist(path):
    for bound in gin_files.scan([path], ()).bound:
        assert bound in configurables.CONFIGURABLES


@pytest.mark.parametrize("entry", sorted(configurables.CONFIGURABLES))
def test_every_bindable_name_exists(entry):
    assert callable(configurables.load(entry))


@pytest.mark.parametrize("command", sorted(configurables.COMMANDS))
def test_every_command_exists(command):
    assert callable(configurables.function(command))


@pytest.mark.parametrize("path", MODELS, ids=stem)
def test_model_file_builds_its_network_config(path):
    (name,) = gin_files.scan([path], ()).bound
    config = bindings.resolve(name, [path]).config
    assert dataclasses.is_dataclass(config)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=stem)
def test_experiment_opens_with_its_command(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# musicrl ")


@pytest.mark.parametrize(
    ("experiment", "make"),
    [
        ("pretrain_soundstream_starter", pretrain_soundstream.starter),
        ("pretrain_semantic", pretrain_semantic.starter),
    ],
)
def test_the_starters_network_is_the_same_from_gin_and_in_the_chain(experiment, make):
    path = ROOT / "gin" / "experiments" / f"{experiment}.gin"
    read = bindings.resolve(root_of(path), [path]).config
    assert make(read.manifest, read.run_dir, read.out) == read


@pytest.mark.parametrize("name", ["r", "u", "ru", "joint", "mulan", "quality"])
def test_the_papers_recipes_measure_diversity(name):
    path = ROOT / "gin" / "experiments" / f"musicrl_{name}.gin"
    config = bindings.resolve(root_of(path), [path]).config
    assert config.evaluator.clips_per_prompt >= 2
