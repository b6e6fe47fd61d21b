"""A short description of training data, by which a run that goes on knows its own."""

from collections.abc import Mapping

import numpy as np

from musicrl_jax.core import errors
from musicrl_jax.pretraining import objective as objective_lib

PROBES = 4
TOLERANCE = 1e-5

Fingerprint = Mapping[str, Mapping[str, list[int] | list[float]]]
"""For each array of the first steps its shape and three moments; JSON can hold it."""


def of_batches(batches: objective_lib.Batches) -> Fingerprint:
    """Returns the fingerprint of the first batches.

    They change with the clips, the batch size, the crop and the seed, because batches
    are pure functions of these and the step. Moments and not hashes: another machine
    may resample audio differently in the last bit.
    """
    return {
        f"{name} of step {step}": {
            "shape": list(value.shape),
            "moments": _moments(np.asarray(value)),
        }
        for step in range(PROBES)
        for name, value in batches.batch(step).items()
    }


def check_same(found: Fingerprint, stored: Fingerprint, where: str) -> None:
    """Refuses data that the run did not begin with.

    Raises:
      InputError: names the first array that differs, and what about it.
    """
    for name in sorted(found.keys() | stored.keys()):
        new, old = found.get(name), stored.get(name)
        if new is not None and old is not None and _same(new, old):
            continue
        raise errors.InputError(
            f"{where} began with other training data: {name} was {_text(old)} and is "
            f"{_text(new)} now. Use the manifest, batch size, crop and seed that it "
            "began with, or another run_dir."
        )


def _moments(value: np.ndarray) -> list[float]:
    """Returns the mean, a mean that knows the order, and the root mean square."""
    flat = value.astype(np.float64).ravel()
    ramp = np.linspace(0.0, 1.0, flat.size)
    return [
        float(flat.mean()),
        float((flat * ramp).mean()),
        float(np.sqrt(np.square(flat).mean())),
    ]


def _same(
    new: Mapping[str, list[int] | list[float]],
    old: Mapping[str, list[int] | list[float]],
) -> bool:
    scale = TOLERANCE * (abs(old["moments"][2]) + 1e-12)
    close = np.allclose(
        new["moments"], old["moments"], rtol=0.0, atol=scale, equal_nan=True
    )
    return list(new["shape"]) == list(old["shape"]) and bool(close)


def _text(one: Mapping[str, list[int] | list[float]] | None) -> str:
    if one is None:
        return "absent"
    return f"{one['shape']} with mean {one['moments'][0]:.6g}"
