"""Training data is known again, and other data is not."""

import json

import numpy as np
import pytest

from musicrl_jax.core import errors
from musicrl_jax.data import clip_sources, crops
from musicrl_jax.pretraining import fingerprint

CLIPS = [
    np.random.default_rng(n).integers(-9_000, 9_000, 400).astype(np.int16)
    for n in range(40)
]


def reader(**changes):
    settings = {"crop": 64, "batch_size": 8, "seed": 3} | changes
    clips = clip_sources.ClipsInMemory(clips=settings.pop("clips", CLIPS))
    return crops.CropReader(clips, crops.CropConfig(**settings))


def stored(batches):
    return json.loads(json.dumps(fingerprint.of_batches(batches)))


def test_same_data_is_known_again():
    found = fingerprint.of_batches(reader())
    fingerprint.check_same(found, stored(reader(clips=list(CLIPS))), "run")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"batch_size": 4},
        {"crop": 65},
        {"clips": CLIPS[:-1]},
        {"clips": CLIPS[::-1]},
    ],
    ids=["seed", "batch_size", "crop", "fewer clips", "order"],
)
def test_other_data_is_refused(changes):
    found = fingerprint.of_batches(reader(**changes))
    with pytest.raises(errors.InputError, match="The run began with other training"):
        fingerprint.check_same(found, stored(reader()), "The run")


def test_last_bit_of_a_resampler_does_not_matter():
    class Shifted:
        def batch(self, step):
            batch = reader().batch(step)
            return batch | {"waveform": batch["waveform"] * np.float32(1 + 2e-7)}

    fingerprint.check_same(fingerprint.of_batches(Shifted()), stored(reader()), "run")


def test_missing_array_is_named():
    class Bare:
        def batch(self, step):
            return {"waveform": reader().batch(step)["waveform"]}

    found = fingerprint.of_batches(Bare())
    with pytest.raises(errors.InputError, match=r"clip of step 0 .* is absent now"):
        fingerprint.check_same(found, stored(reader()), "run")
