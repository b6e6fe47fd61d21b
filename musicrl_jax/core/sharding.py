"""The mesh, and the logical-axis rules that say how every tree lies on it.

Mesh axes: `slice` (clips, over slices of a multi-slice job), `data` (clips), `fsdp`
(clips and parameters), `tensor` (heads, hidden features, entries).

Parameters are cut by `PARAMETERS`, activations by `constrain`, both in words of
`RULES`. A device gathers the kernel it needs, in the dtype it computes in, layer by
layer (`gathered`); clips stay where they are.
"""

import contextlib
import dataclasses
import functools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax.experimental import mesh_utils
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

from musicrl_jax.core import arrays, errors

AXES = ("slice", "data", "fsdp", "tensor")

RULES: dict[str, tuple[str, ...]] = {
    "clips": ("slice", "data", "fsdp"),
    "width": ("fsdp",),
    "heads": ("tensor",),
    "hidden": ("tensor",),
    "rows": ("fsdp", "tensor"),
}
"""Logical axis -> the mesh axes that it is cut over."""

BATCH = PartitionSpec(RULES["clips"])

PARAMETERS: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    # Queries, keys and values lie side by side, so heads are not cut in storage.
    (r"project_in/kernel$", ("rows", None)),
    (r"project_out/kernel$", ("heads", "width")),
    (r"expand/kernel$", ("width", "hidden")),
    (r"contract/kernel$", ("hidden", "width")),
    (r"(gate|project|summarise|condition_state)/kernel$", ("width", None)),
    (r"table$", (None, "rows")),
    (r"heads$", ("rows", None)),
)
"""End of a parameter's path -> logical axes of its last axes, for all networks.

Optimizer moments have the paths of their parameters. What no rule names is cut along
its largest axis over `fsdp`; vectors stay whole.
"""

MOST_FSDP = 16
"""Devices that parameters are cut over by default: over more, each has too few rows of
a kernel, and the compiler sends kernels whole (BENCHMARKS.md, plans)."""

LogicalAxis = str | None
AnyMesh = Mesh | AbstractMesh
"""Of devices, or of none, for programs that are only traced."""
Leaf = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """Devices along each mesh axis; -1 means all that are left.

    `data` and `fsdp` may both be -1: `fsdp` then takes the largest part of what is left
    that has at most `MOST_FSDP` devices, and `data` the rest.

    Attributes:
      data: groups of clips, each with all parameters.
      fsdp: devices that share clips and parameters.
      tensor: devices that share each layer's work.
      slices: slices of a multi-slice job; only gradients cross between them.
    """

    data: int = -1
    fsdp: int = 1
    tensor: int = 1
    slices: int = 1

    def __post_init__(self) -> None:
        sizes = (self.data, self.fsdp, self.tensor, self.slices)
        both = self.data == self.fsdp == -1
        wrong = any(size < 1 and size != -1 for size in sizes)
        if wrong or sizes.count(-1) > 1 + both:
            raise errors.InputError(
                "Mesh axes must be positive; one of them, or data and fsdp, may be -1; "
                f"got {sizes}. Set MeshConfig.data, .fsdp, .tensor and .slices."
            )


def make_mesh(config: MeshConfig, devices: Sequence[Any] | None = None) -> Mesh:
    """Returns the mesh of `config` over `devices` (default: all).

    A mesh axis may take a part of a side of the slice, such as 16 of 8x8x8 chips.

    Raises:
      InputError: where the axes do not multiply to the number of devices.
    """
    devices = list(jax.devices() if devices is None else devices)
    sizes = axis_sizes(config, len(devices))
    kinds = (AxisType.Auto,) * len(AXES)
    found = len({getattr(device, "slice_index", 0) for device in devices})
    if found > 1:
        if found != sizes[0]:
            raise errors.InputError(
                f"MeshConfig.slices must be the job's {found} slices; got {sizes[0]}."
            )
        inside, across = (1, *sizes[1:]), (sizes[0], 1, 1, 1)
        grid = mesh_utils.create_hybrid_device_mesh(
            inside, across, devices, allow_split_physical_axes=True
        )
    else:
        grid = mesh_utils.create_device_mesh(
            sizes, devices, allow_split_physical_axes=True
        )
    return Mesh(grid, AXES, axis_types=kinds)


def abstract_mesh(config: MeshConfig, devices: int) -> AbstractMesh:
    """Returns the mesh of `config` over so many devices, to trace programs for.

    Raises:
      InputError: as `axis_sizes`.
    """
    kinds = (AxisType.Auto,) * len(AXES)
    return AbstractMesh(axis_sizes(config, devices), AXES, axis_types=kinds)


def axis_sizes(config: MeshConfig, devices: int) -> tuple[int, ...]:
    """Returns the sizes of `AXES` for so many devices.

    Raises:
      InputError: where they do not multiply to the number of devices.
    """
    sizes = [config.slices, config.data, config.fsdp, config.tensor]
    left = devices // math.prod(size for size in sizes if size != -1)
    if config.data == config.fsdp == -1 and left:
        group = next(n for n in range(min(left, MOST_FSDP), 0, -1) if left % n == 0)
        sizes[1:3] = left // group, group
    found = tuple(left if size == -1 else size for size in sizes)
    if math.prod(found) != devices:
        raise errors.InputError(
            f"Mesh axes {dict(zip(AXES, sizes, strict=True))} need their product to be "
            f"the {devices} devices here. Change MeshConfig."
        )
    return found


def parameter_spec(path: str, shape: tuple[int, ...], mesh: AnyMesh) -> PartitionSpec:
    """Returns how the parameter at `path` ("a/b/kernel") lies on the mesh."""
    for ending, axes in PARAMETERS:
        if re.search(ending, path) and len(shape) >= len(axes):
            stacked = (None,) * (len(shape) - len(axes))
            return _spec((*stacked, *axes), shape, mesh)
    size = mesh.shape["fsdp"]
    if len(shape) < 2 or size == 1:
        return PartitionSpec()
    axis = max(range(len(shape)), key=lambda i: (shape[i] % size == 0, shape[i]))
    names = ["width" if i == axis else None for i in range(len(shape))]
    return _spec(names, shape, mesh)


def tree_shardings(tree: arrays.Tree, mesh: AnyMesh) -> arrays.Tree:
    """Returns a tree of shardings for parameters or optimizer state `tree`."""

    def lay(path: Leaf, leaf: Leaf) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return NamedSharding(mesh, parameter_spec(name, leaf.shape, mesh))

    return jax.tree_util.tree_map_with_path(lay, tree)


def batch_sharding(mesh: AnyMesh) -> NamedSharding:
    """Returns the sharding of arrays whose first axis is clips."""
    return NamedSharding(mesh, BATCH)


@contextlib.contextmanager
def on(mesh: AnyMesh | None) -> Iterator[None]:
    """Makes `constrain` and `gathered` mean this mesh while a program is traced."""
    if mesh is None:
        yield
        return
    with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
        yield


def constrain(x: Shaped[Array, "*_"], *axes: LogicalAxis) -> Shaped[Array, "*_"]:
    """Lays `x` over the mesh of `on` by logical axes, one a dimension.

    Without a mesh it does nothing. An axis that its devices do not divide stays whole.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return x
    return jax.lax.with_sharding_constraint(x, _spec(axes, x.shape, mesh))


def on_each_device(
    function: Callable[..., Shaped[Array, "*_"]], axes: tuple[LogicalAxis, ...]
) -> Callable[..., Shaped[Array, "*_"]]:
    """Returns `function` run by each device of `on` on its own part.

    For kernels that the compiler cannot cut. Without a mesh it is `function` itself.

    Args:
      function: of arrays of one shape, to one of that shape; it mixes nothing along
        what `axes` cut.
      axes: as in `constrain`.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return function

    def run(*parts: Shaped[Array, "*_"]) -> Shaped[Array, "*_"]:
        spec = _spec(axes, parts[0].shape, mesh)
        mapped = jax.shard_map(
            function, in_specs=(spec,) * len(parts), out_specs=spec, check_vma=False
        )
        return mapped(*parts)

    return run


def gathered(kernel: Shaped[Array, "*_"], *axes: LogicalAxis) -> Shaped[Array, "*_"]:
    """Brings a parameter's parts together for use; its gradient is cut as it is stored.

    What is cut over `tensor` alone stays so. Cast the parameter first, so that what
    travels is in the dtype of the computation.

    Args:
      kernel: the parameter.
      *axes: as in `PARAMETERS`.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return kernel
    return _gather(axes, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _gather(
    axes: tuple[LogicalAxis, ...], kernel: Shaped[Array, "*_"]
) -> Shaped[Array, "*_"]:
    cut = (None if x is not None and "fsdp" in RULES[x] else x for x in axes)
    return constrain(kernel, *cut)


def _gather_forward(
    axes: tuple[LogicalAxis, ...], kernel: Shaped[Array, "*_"]
) -> tuple[Shaped[Array, "*_"], None]:
    return _gather(axes, kernel), None


def _gather_backward(
    axes: tuple[LogicalAxis, ...], _: None, gradient: Shaped[Array, "*_"]
) -> tuple[Shaped[Array, "*_"]]:
    return (constrain(gradient, *axes),)


_gather.defvjp(_gather_forward, _gather_backward)


def _spec(
    axes: Sequence[LogicalAxis],
    shape: tuple[int, ...],
    mesh: AnyMesh,
) -> PartitionSpec:
    """Returns mesh axes for logical ones, leaving out those of size 1 or no fit."""
    found: list[Any] = []
    for axis, length in zip(axes, shape, strict=True):
        names = () if axis is None else RULES[axis]
        names = tuple(x for x in names if mesh.shape.get(x, 1) > 1)
        fits = length % math.prod(mesh.shape[x] for x in names) == 0
        whole = None if not names or not fits else names
        found.append(whole[0] if whole is not None and len(whole) == 1 else whole)
    return PartitionSpec(*found) if any(found) else PartitionSpec()
