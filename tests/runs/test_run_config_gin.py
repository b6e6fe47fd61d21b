"""The gin text that the demo leaves for its processes means the demo's own config."""

import dataclasses

from musicrl_jax.cli import bindings
from musicrl_jax.learning import config as learning_config
from musicrl_jax.runs import run_config, run_config_gin


def test_roles_read_the_config_that_was_written(tmp_path):
    config = run_config.RunConfig(
        run_dir="somewhere",
        networks="it's here",
        clip_seconds=3.5,
        num_actors=3,
        learner=learning_config.LearnerConfig(steps=17, kl_mode="return"),
    )
    file = tmp_path / "operative.gin"
    file.write_text(run_config_gin.as_gin(config), encoding="utf-8")
    read = bindings.resolve("RunConfig", [file], (), {"run_dir": "somewhere"}).config
    assert read == config
    assert run_config.shared_fields(read) == run_config.shared_fields(config)
    other = dataclasses.replace(config, seed=1)
    assert run_config_gin.as_gin(other) != run_config_gin.as_gin(config)
