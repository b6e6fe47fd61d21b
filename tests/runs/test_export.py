"""Which policy `musicrl export` takes, and what it refuses, in one line each."""

import json

import measured_runs
import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.cli import main
from musicrl_jax.core import errors
from musicrl_jax.runs import export_source, select_policy
from musicrl_jax.transport import configuration, keys
from musicrl_jax.transport import store as stores


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A run whose quality is best at step 30."""
    run = measured_runs.write_run(tmp_path_factory.mktemp("runs") / "r", turn=3)
    stores.open_store(str(run)).put_if_absent(export_source.OPERATIVE, b"A.b = 1\n")
    return run


@pytest.mark.parametrize(("step", "expected"), [("last", 50), ("20", 20), ("", 30)])
def test_a_step_of_a_run_comes_with_its_figures(turned, tmp_path, step, expected):
    found = export_source.fetch(str(turned), step, tmp_path)
    leaf = weights.read_leaves(found.policy)["leaf"]
    np.testing.assert_array_equal(leaf, np.full((2, 2), expected))
    assert (found.name, found.step, found.kl_ref) == ("r", expected, "base")
    assert found.kl == 3.5 * expected / 10
    assert set(found.rewards) == {"loudness", "quality", "text_adherence", "total"}
    assert found.first["quality"] == pytest.approx(3.0, abs=0.05)
    assert found.operative == "A.b = 1\n"


def test_best_is_what_select_saved_last(turned, tmp_path):
    chosen = select_policy.select(str(turned), kl_budget=8.0, save=True)
    assert export_source.fetch(str(turned), "best", tmp_path).step == chosen.step == 20
    (turned / "selected.json").unlink()


def test_a_weights_file_is_taken_as_it_is(tmp_path):
    path = tmp_path / "x.safetensors"
    weights.save_weights(path, {"a": np.ones(2)}, "musiclm", {})
    found = export_source.fetch(str(path), "", tmp_path)
    assert (found.policy, found.step, found.rewards) == (path, None, {})
    with pytest.raises(errors.InputError, match="is one policy; got --step last"):
        export_source.fetch(str(path), "last", tmp_path)


def test_networks_of_another_run_are_refused(tmp_path):
    run = tmp_path / "r"
    store = stores.open_store(str(run))
    config = {"learner": {}, "inputs": {"codec.safetensors": "0" * 64}}
    store.put_if_absent(configuration.TEXT, json.dumps(config).encode())
    measured_runs.write_step(store, 10, 1.0, {"loudness": 0.1})
    found = export_source.fetch(str(run), "10", tmp_path)
    found.check_networks(tmp_path)
    (tmp_path / "codec.safetensors").write_bytes(b"another")
    with pytest.raises(errors.InputError, match=r"codec\.safetensors is another file"):
        found.check_networks(tmp_path)


def test_a_policy_that_was_not_kept_is_refused_with_those_that_were(tmp_path):
    run = measured_runs.write_run(tmp_path / "r")
    stores.open_store(str(run)).delete(keys.policy_key(20))
    with pytest.raises(errors.InputError, match="0, 10, 30, 40, 50, not 20"):
        export_source.fetch(str(run), "20", tmp_path)
    with pytest.raises(errors.InputError, match="best, last or a number; got 'x'"):
        export_source.fetch(str(run), "x", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "got neither"),
        (["a", "--verify", "b"], "got both"),
        (["nowhere"], "nowhere does not exist"),
        (["nowhere", "--seconds", "0.5"], "[1, 30]; got 0.5"),
        (["nowhere", "--shard_gb", "0"], "positive and finite; got 0"),
        (["nowhere", "--shard_gb", "inf"], "positive and finite; got inf"),
        (["--verify", "nowhere"], "manifest.json"),
    ],
)
def test_bad_input_gives_one_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main.main(["export", *arguments])
    assert ended.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert words in lines[0]
    assert not any(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(SystemExit) as ended:
        main.main(["export", "nowhere", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "holds something" in capsys.readouterr().err
