"""A run's inputs are checked before anything is written, and pinned by content."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from musicrl_jax.checkpoints import weights
from musicrl_jax.core import errors
from musicrl_jax.runs import network_files, run_config, run_inputs, system


@pytest.fixture
def config(tmp_path):
    """Returns the config of a run on a copy of the starter's networks."""
    source, copy = system.networks_directory(), tmp_path / "networks"
    copy.mkdir()
    beside = (network_files.QUALITY, system.TRAIN_CAPTIONS, system.HELD_OUT_PROMPTS)
    for name in (*run_inputs.NETWORKS, *beside):
        shutil.copy(source / name, copy / name)
    return run_config.RunConfig(run_dir=str(tmp_path / "run"), networks=str(copy))


def networks(config):
    return system.networks_directory(config.networks)


@pytest.mark.parametrize("name", run_inputs.NETWORKS)
def test_a_network_of_another_shape_is_refused_before_anything_is_written(config, name):
    path = networks(config) / name
    network, fields = weights.read_config(path)
    leaves = weights.read_leaves(path)
    last = max(leaves)
    leaves[last] = np.concatenate([leaves[last]] * 2, axis=-1)
    weights.save_weights(path, leaves, network, fields)
    with pytest.raises(errors.InputError, match=f"Leaf '{last}' must have shape"):
        run_inputs.open_run(config)
    assert not pathlib.Path(config.run_dir).exists()


def test_roles_with_the_same_config_may_join(config):
    _, first = run_inputs.open_run(config)
    _, second = run_inputs.open_run(dataclasses.replace(config, actor_id=7))
    assert first == second


def test_the_same_files_elsewhere_are_the_same_inputs(config):
    _, first = run_inputs.open_run(config)
    _, second = run_inputs.open_run(dataclasses.replace(config, networks=""))
    assert first == second


def test_another_config_is_refused_and_the_difference_is_shown(config):
    run_inputs.open_run(dataclasses.replace(config, seed=1))
    with pytest.raises(
        errors.ConfigMismatchError, match=r'"seed": 1.*"seed": 2'
    ) as caught:
        run_inputs.open_run(dataclasses.replace(config, seed=2))
    assert caught.value.exit_code == 78


def test_a_run_needs_a_directory():
    with pytest.raises(errors.InputError, match="--run_dir"):
        run_inputs.open_run(run_config.RunConfig())


@pytest.mark.parametrize("name", ["musiclm.safetensors", system.TRAIN_CAPTIONS])
def test_other_content_under_the_same_name_is_refused(config, name):
    run_inputs.open_run(config)
    path = networks(config) / name
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(errors.ConfigMismatchError, match="differs"):
        run_inputs.open_run(config)


@pytest.mark.parametrize("name", [*run_inputs.NETWORKS, system.HELD_OUT_PROMPTS])
def test_what_is_missing_is_named_and_nothing_is_written(config, name, tmp_path):
    (networks(config) / name).unlink()
    with pytest.raises(errors.InputError, match=name):
        run_inputs.open_run(config)
    assert not (tmp_path / "run").exists()


def test_a_network_of_another_kind_is_refused(config):
    folder = networks(config)
    shutil.copy(folder / "codec.safetensors", folder / "mulan.safetensors")
    with pytest.raises(errors.InputError, match="it holds 'codec'"):
        run_inputs.check(config)


def test_the_quality_estimator_of_a_run_is_pinned_too(config, tmp_path):
    path = tmp_path / "quality.safetensors"
    reward = run_config.RewardConfig(quality=0.5, quality_weights=str(path))
    with_quality = dataclasses.replace(config, reward=reward)
    with pytest.raises(errors.InputError, match=r"quality\.safetensors"):
        run_inputs.check(with_quality)
    shutil.copy(networks(config) / "codec.safetensors", path)
    with pytest.raises(errors.InputError, match="it holds 'codec'"):
        run_inputs.check(with_quality)
    beside = networks(config) / network_files.QUALITY
    shutil.copy(beside, path)
    assert run_inputs.check(with_quality) == run_inputs.check(config)
    beside.unlink()
    assert "quality" in run_inputs.check(with_quality)
    assert "quality" not in run_inputs.check(config)


def test_clips_too_short_for_the_reward_are_refused(config):
    run_inputs.check(dataclasses.replace(config, clip_seconds=3.0))
    with pytest.raises(errors.InputError, match=r"3 s or more.*got 2\.9"):
        run_inputs.check(dataclasses.replace(config, clip_seconds=2.9))
