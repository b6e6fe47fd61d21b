"""LearnerConfig refuses what cannot be run, and says how to mend it."""

import pytest

from musicrl_jax.core import errors
from musicrl_jax.learning import config as configs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kl_weight", 1.0),
        ("kl_weight", -0.1),
        ("kl_mode", "global"),
        ("baseline", "none"),
        ("temperature", 0.0),
        ("temperature", float("inf")),
        ("batch_clips", 0),
        ("microbatches", 3),
        ("importance_cap", 0.5),
        ("max_staleness", -1),
        ("policy_learning_rate", float("nan")),
        ("learning_rate_end_share", 1.5),
    ],
)
def test_bad_numbers_are_refused_by_name_and_value(name, value):
    with pytest.raises(errors.InputError) as error:
        configs.LearnerConfig(**{name: value})
    assert f"LearnerConfig.{name}" in str(error.value)
    assert repr(value) in str(error.value)


def test_no_kl_at_all_is_allowed():
    assert configs.LearnerConfig(kl_weight=0.0).kl_weight == 0.0
