"""The mesh, and the logical-axis rules that say how every tree lies on it.

Mesh axes: `data` (clips), `fsdp` (clips and parameters), `tensor` (features, heads).
"""

import dataclasses
import math
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from musicrl_jax.core import arrays, errors

AXES = ("data", "fsdp", "tensor")
BATCH = PartitionSpec(("data", "fsdp"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """Devices along each mesh axis; -1 (one axis at most) means all that are left."""

    data: int = -1
    fsdp: int = 1
    tensor: int = 1

    def __post_init__(self) -> None:
        sizes = (self.data, self.fsdp, self.tensor)
        if sizes.count(-1) > 1 or any(size < 1 and size != -1 for size in sizes):
            raise errors.InputError(
                f"Mesh axes must be positive, one of them may be -1; got {sizes}. "
                "Set MeshConfig.data, .fsdp and .tensor."
            )


def make_mesh(config: MeshConfig, devices: list[Any] | None = None) -> Mesh:
    """Returns the mesh of `config` over `devices` (default: all).

    Raises:
      InputError: where the axes do not multiply to the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    sizes = [config.data, config.fsdp, config.tensor]
    known = math.prod(size for size in sizes if size != -1)
    if -1 in sizes and len(devices) % known == 0:
        sizes[sizes.index(-1)] = len(devices) // known
    if math.prod(sizes) != len(devices):
        raise errors.InputError(
            f"Mesh axes {dict(zip(AXES, sizes, strict=True))} need their product to be "
            f"the {len(devices)} devices here. Change MeshConfig."
        )
    return jax.make_mesh(
        tuple(sizes), AXES, axis_types=(AxisType.Auto,) * 3, devices=devices
    )


def parameter_spec(shape: tuple[int, ...], mesh: Mesh) -> PartitionSpec:
    """Returns how a parameter lies on the mesh: its largest axis over `fsdp`.

    Vectors and axes that `fsdp` does not divide stay whole on every device.
    """
    size = mesh.shape["fsdp"]
    if len(shape) < 2 or size == 1:
        return PartitionSpec()
    axis = max(range(len(shape)), key=lambda i: (shape[i] % size == 0, shape[i]))
    if shape[axis] % size:
        return PartitionSpec()
    return PartitionSpec(*("fsdp" if i == axis else None for i in range(len(shape))))


def tree_shardings(tree: arrays.Tree, mesh: Mesh) -> arrays.Tree:
    """Returns a tree of shardings for parameters or optimizer state `tree`."""
    return jax.tree.map(
        lambda leaf: NamedSharding(mesh, parameter_spec(leaf.shape, mesh)), tree
    )


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of arrays whose first axis is clips."""
    return NamedSharding(mesh, BATCH)
