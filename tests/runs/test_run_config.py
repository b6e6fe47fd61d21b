import dataclasses

import pytest

from musicrl_jax.core import errors
from musicrl_jax.runs import run_config


def test_roles_with_the_same_config_may_join(tmp_path):
    config = run_config.RunConfig(run_dir=str(tmp_path / "run"))
    _, first = run_config.open_run(config)
    _, second = run_config.open_run(dataclasses.replace(config, actor_id=7))
    assert first == second


def test_another_config_is_refused_and_the_difference_is_shown(tmp_path):
    config = run_config.RunConfig(run_dir=str(tmp_path), seed=1)
    run_config.open_run(config)
    with pytest.raises(
        errors.ConfigMismatchError, match=r'"seed": 1.*"seed": 2'
    ) as caught:
        run_config.open_run(dataclasses.replace(config, seed=2))
    assert caught.value.exit_code == 78


def test_a_run_needs_a_directory():
    with pytest.raises(errors.InputError, match="--run_dir"):
        run_config.open_run(run_config.RunConfig())


@pytest.mark.parametrize(
    ("field", "value"),
    [("clip_seconds", -5.0), ("num_actors", 0), ("keep_checkpoints", 2)],
)
def test_bad_fields_name_themselves(field, value):
    with pytest.raises(errors.InputError, match=f"RunConfig.{field}"):
        run_config.RunConfig(**{field: value})
