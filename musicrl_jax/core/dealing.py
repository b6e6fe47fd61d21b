"""An actor's devices: each holds the networks whole; clips are dealt out to them."""

from typing import cast

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

from musicrl_jax.core import arrays, sharding

Rows = Shaped[Array, "b *_"] | Shaped[np.ndarray, "b *_"]


def here(tree: arrays.Tree) -> arrays.Tree:
    """Returns `tree` where it is."""
    return tree


def everywhere(tree: arrays.Tree) -> arrays.Tree:
    """Returns `tree` whole on each of this process's devices.

    With one device it is what it was. See `beside`.
    """
    devices = jax.local_devices()
    if len(devices) == 1:
        return tree
    mesh = sharding.make_mesh(sharding.MeshConfig(data=-1), devices)
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def beside(params: arrays.Params, rows: Rows) -> Rows:
    """Deals clips out over the devices that hold `params` (see `everywhere`).

    A number of clips that the devices do not divide goes to each of them whole; clips
    of params on one device stay where they are.
    """
    mesh = mesh_of(params)
    if mesh is None:
        return rows
    even = rows.shape[0] % mesh.size == 0
    spec = sharding.BATCH if even else PartitionSpec()
    return jax.device_put(rows, NamedSharding(mesh, spec))


def mesh_of(params: arrays.Params) -> Mesh | None:
    """Returns the mesh that holds `params`; None for those of one device, or none."""
    place = getattr(next(iter(jax.tree.leaves(params)), None), "sharding", None)
    if not isinstance(place, NamedSharding) or place.mesh.size == 1:
        return None
    return cast(Mesh, place.mesh)
