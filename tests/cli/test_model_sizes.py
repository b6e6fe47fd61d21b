"""`musicrl describe`: every model file, and counts that other sources confirm."""

import json
import pathlib

import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.cli import main, model_sizes
from musicrl_jax.core import errors
from musicrl_jax.runs import describe

ROOT = pathlib.Path(__file__).parents[2]
STARTER = ROOT / "musicrl_jax" / "assets" / "starter"
FILES = sorted(
    path.stem
    for path in (ROOT / "gin" / "models").glob("*.gin")
    if "layout" not in path.stem
)


def row(stem):
    network, size = stem.rsplit("_", maxsplit=1)
    (found,) = model_sizes.describe(network, size)
    return found


@pytest.mark.parametrize("stem", FILES)
def test_every_model_file_is_built_and_its_parts_add_up(stem):
    found = row(stem)
    assert found["parameters"] == sum(found["parts"].values()) > 0


@pytest.mark.parametrize(
    ("network", "size"),
    [
        ("codec", "fine"),
        ("mulan", "starter"),
        ("musiclm", "starter"),
        ("quality", "starter"),
        ("semantic", "starter"),
        ("soundstorm", "starter"),
        ("soundstream", "starter"),
    ],
)
def test_starter_sizes_are_those_of_the_shipped_weights(network, size):
    leaves = weights.read_leaves(STARTER / f"{network}.safetensors")
    shipped = sum(leaf.size for leaf in leaves.values())
    assert row(f"{network}_{size}")["parameters"] == shipped


def test_the_papers_policy_has_between_0_4_and_1_billion_parameters():
    assert 0.4e9 < row("musiclm_base")["parameters"] < 1e9


def test_json_is_complete_and_the_table_is_a_line_a_network(capsys):
    with pytest.raises(SystemExit) as done:
        main.main(["describe", "musiclm", "--size", "tiny", "--json"])
    assert not done.value.code
    (told,) = json.loads(capsys.readouterr().out)
    assert told == row("musiclm_tiny")
    with pytest.raises(SystemExit):
        main.main(["describe", "musiclm"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["size", "base", "starter", "tiny"]


def test_unknown_networks_are_refused_by_name():
    with pytest.raises(errors.InputError, match=r"got muzak and any\. Choose"):
        model_sizes.describe("muzak", None)
    with pytest.raises(errors.InputError, match="from their config; got int"):
        describe.parameters(3)
