"""Sizes and labels of the judge: JSON, rules, look-ups."""

import dataclasses
import json

import pytest

from musicrl_jax.core import errors
from musicrl_jax.models.attributes import config

HEADS = (
    config.Head(name="genre", labels=("tango", "house", "blues")),
    config.Head(name="instrument", labels=("piano", "flute")),
)


def test_survives_json():
    sizes = config.AttributesConfig(heads=HEADS, channels=(4, 8), dropout=0.1)
    text = json.dumps(dataclasses.asdict(sizes))
    read = config.AttributesConfig.from_json(json.loads(text))
    assert read == sizes
    assert hash(read) == hash(sizes)


def test_finds_heads():
    sizes = config.AttributesConfig(heads=HEADS)
    assert sizes.head("instrument").labels == ("piano", "flute")
    with pytest.raises(errors.InputError, match="knows genre, instrument"):
        sizes.head("key")


@pytest.mark.parametrize(
    "fields",
    [
        {"heads": ()},
        {"heads": (HEADS[0], HEADS[0])},
        {"channels": ()},
        {"num_mels": 60, "channels": (8, 8, 8)},
        {"dropout": 1.0},
    ],
)
def test_rejects_impossible_sizes(fields):
    with pytest.raises(errors.InputError, match="AttributesConfig"):
        config.AttributesConfig(**({"heads": HEADS} | fields))


@pytest.mark.parametrize("labels", [(), ("a",), ("a", "a")])
def test_rejects_attributes_that_do_not_vary(labels):
    with pytest.raises(errors.InputError, match="distinct labels"):
        config.Head(name="genre", labels=labels)
