import pytest

from musicrl_jax.core import errors
from musicrl_jax.runs import run_config


@pytest.mark.parametrize(
    ("field", "value"),
    [("clip_seconds", -5.0), ("num_actors", 0), ("keep_checkpoints", 2)],
)
def test_bad_fields_name_themselves(field, value):
    with pytest.raises(errors.InputError, match=f"RunConfig.{field}"):
        run_config.RunConfig(**{field: value})
