"""Sizes of the estimator: JSON, rules, and the base size's shapes."""

import dataclasses
import json
import pathlib

import jax
import pytest

from musicrl_jax.cli import bindings
from musicrl_jax.core import errors
from musicrl_jax.models.quality import adapter, config

MODELS = pathlib.Path(__file__).parents[3] / "gin" / "models"


def test_survives_json():
    sizes = config.QualityConfig(channels=(4, 8), simulated_raters=True)
    text = json.dumps(dataclasses.asdict(sizes))
    read = config.QualityConfig.from_json(json.loads(text))
    assert read == sizes
    assert hash(read) == hash(sizes)


@pytest.mark.parametrize(
    "fields",
    [
        {"channels": ()},
        {"width": 0},
        {"num_mels": 60, "channels": (8, 8, 8)},
        {"dropout": 1.0},
        {"min_seconds": 0.01},
    ],
)
def test_rejects_impossible_sizes(fields):
    with pytest.raises(errors.InputError, match="QualityConfig"):
        config.QualityConfig(**fields)


@pytest.mark.parametrize(
    ("name", "fewest", "most"),
    [("tiny", 1e3, 2e4), ("starter", 2e5, 5e5), ("base", 3e7, 8e7)],
)
def test_sizes_have_about_their_parameters(name, fewest, most):
    resolved = bindings.resolve("QualityConfig", [MODELS / f"quality_{name}.gin"])
    params = adapter.make_estimator(resolved.config).abstract_params()
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert fewest < count < most
