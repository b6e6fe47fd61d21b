"""From a manifest to the arrays that the update consumes."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float32

from musicrl_jax.core import errors, trajectory
from musicrl_jax.transport import manifests, reader, trajectories

_FIELDS = {
    "tokens": np.int32,
    "conditioning": np.int32,
    "log_probs": np.float32,
    "rewards": np.float32,
}


def assemble(
    source: reader.TrajectoryReader,
    manifest: manifests.Manifest,
    sharding: jax.sharding.Sharding,
) -> trajectory.TrajectoryBatch:
    """Returns the batch of `manifest`, laid out over all hosts' devices.

    Each host reads only the trajectories of its own rows, and the first one for its
    shapes. The batch is the same on every number of hosts and devices.

    Args:
      source: of the trajectories.
      manifest: which clips, in which order.
      sharding: of arrays whose first axis is clips.

    Raises:
      InvariantError: where a trajectory is missing or changed, or two have different
        lengths.
    """
    source.forget(manifest.step)
    first = _clip(source, manifest, 0)
    arrays = {}
    for name, dtype in _FIELDS.items():
        shape = (len(manifest.items), *np.shape(getattr(first[0], name))[1:])
        read = _reader(source, manifest, name, dtype, shape)
        arrays[name] = jax.make_array_from_callback(shape, sharding, read)
    lags = np.asarray(manifest.staleness, np.int32)
    arrays["lags"] = jax.make_array_from_callback(
        lags.shape, sharding, lambda rows: lags[rows]
    )
    return trajectory.TrajectoryBatch(**arrays)


def reward_parts(
    source: reader.TrajectoryReader, manifest: manifests.Manifest
) -> dict[str, Float32[np.ndarray, " b"]]:
    """Returns the named scores that all clips of a batch have."""
    clips = [_clip(source, manifest, i) for i in range(len(manifest.items))]
    shared = set.intersection(*(set(found.reward_parts) for found, _ in clips))
    return {
        name: np.array([found.reward_parts[name][row] for found, row in clips])
        for name in sorted(shared)
    }


def own_keys(manifest: manifests.Manifest, sharding: jax.sharding.Sharding) -> set[str]:
    """Returns the trajectories that this host reads for the batch of `manifest`."""
    count = len(manifest.items)
    places = sharding.addressable_devices_indices_map((count,)).values()
    rows = {row for (part,) in filter(None, places) for row in range(count)[part]}
    return {manifest.items[row][0] for row in rows}


def _clip(
    source: reader.TrajectoryReader, manifest: manifests.Manifest, index: int
) -> tuple[trajectories.Trajectory, int]:
    key, row = manifest.items[index]
    return source.load(key, manifest.objects[key].sha256), row


def _reader(
    source: reader.TrajectoryReader,
    manifest: manifests.Manifest,
    name: str,
    dtype: type[np.generic],
    shape: tuple[int, ...],
) -> Callable[..., np.ndarray]:
    def read(index: tuple[slice, ...]) -> np.ndarray:
        rows = []
        for i in range(*index[0].indices(shape[0])):
            found, row = _clip(source, manifest, i)
            value = np.asarray(getattr(found, name)[row], dtype)
            if value.shape != shape[1:]:
                raise errors.InvariantError(
                    f"Clips of a batch have one length; {found.key} has {name} of "
                    f"shape {value.shape}, not {shape[1:]}. Give all actors of a run "
                    "the same configuration."
                )
            rows.append(value)
        return np.stack(rows)[(slice(None), *index[1:])]

    return read
