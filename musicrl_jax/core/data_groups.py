"""Groups of devices that each hold all parameters, and agree once an update.

The compiler sums a gradient over all devices before it cuts it, which sends the whole
of it; and it does so in each turn of a loop. Here each group (`slice` and `data`)
works on its clips alone, its gradients cut over `fsdp`, and the groups take the mean
of those parts at the end.
"""

import math
import typing
from collections.abc import Callable

import jax
from jax.sharding import Mesh, PartitionSpec

AXES = ("slice", "data")
"""The mesh axes that number the groups."""

State = typing.TypeVar("State")
Batch = typing.TypeVar("Batch")
Gradient = typing.TypeVar("Gradient")
PerClip = typing.TypeVar("PerClip")


def mean(
    gradient_of: Callable[[State, Batch], tuple[Gradient, PerClip]], mesh: Mesh | None
) -> Callable[[State, Batch], tuple[Gradient, PerClip]]:
    """Returns `gradient_of`, computed by each group of `mesh` on its clips.

    Args:
      gradient_of: returns a mean over clips, and a tree of arrays `[b, ...]`; its batch
        is a tree of arrays `[b, ...]` too.
      mesh: with `slice * data` groups, which must divide b.
    """
    if mesh is None or math.prod(mesh.shape[axis] for axis in AXES) == 1:
        return gradient_of

    def alone(state: State, batch: Batch) -> tuple[Gradient, PerClip]:
        gradient, per_clip = gradient_of(state, batch)
        return jax.lax.pmean(gradient, AXES), per_clip

    clips = PartitionSpec(AXES)
    return jax.shard_map(
        alone,
        mesh=mesh.abstract_mesh,
        in_specs=(PartitionSpec(), clips),
        out_specs=(PartitionSpec(), clips),
        axis_names=set(AXES),
        check_vma=False,
    )
