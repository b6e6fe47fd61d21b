"""Tries meshes and parts of the learner's update, and recommends the fastest.

What the config says stays: the batch (`LearnerConfig.batch_clips`), the slices, and
mesh axes that are not -1 (of `tensor`, which is 1 by default, all but 1). Searched are
the other axes and `LearnerConfig.microbatches`.

A program's memory grows linearly with the clips that a chip holds at a time, so each
mesh is compiled for the fewest and the next; the most that fits is then compiled to be
sure.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator

from musicrl_jax.core import errors, sharding
from musicrl_jax.planning import chips, lowered
from musicrl_jax.runs import plan, plan_config

MARGIN = 0.95
"""Share of a chip's memory that a recommendation may take."""
MOST_CLIPS = 64
"""Most clips that a chip holds at a time."""
COMPILED = 3
"""Programs of one mesh, but where an extrapolation was too high."""


def run(
    config: plan_config.PlanConfig, progress: plan.Progress | None = None
) -> list[plan.Row]:
    """Returns the best row of each mesh, the most tokens a second first.

    Raises:
      InputError: where no mesh holds the batch, for other than TPUs, and for other
        programs than the update.
    """
    _check(config)
    topology = chips.parse(config.topology, config.mesh.slices)
    meshes = _meshes(config, topology.chips)
    rows = []
    for number, mesh in enumerate(meshes):
        tell = functools.partial(_tell, progress, number, len(meshes))
        tell(0)
        if (row := _best(config, mesh, tell)) is not None:
            rows.append(row)
        tell(COMPILED)
    if not rows:
        raise errors.InputError(
            f"No mesh of {topology.name} holds one clip a chip at a time. Take more "
            "chips, shorter clips, or set LearnerConfig.chunk_frames lower."
        )
    return sorted(rows, key=_rate, reverse=True)


def _check(config: plan_config.PlanConfig) -> None:
    if config.programs not in ((), ("update",)):
        raise errors.InputError(
            "The search is of the update alone; got the programs "
            f"{', '.join(config.programs)}. Leave --program or --search out."
        )
    if lowered.parse(config.topology) is not None:
        raise errors.InputError(
            f"The search compiles, so it needs a slice of TPUs; got {config.topology}. "
            "Set --topology to one such as v5e:4x4, or leave --search out."
        )


def _tell(
    progress: plan.Progress | None, mesh: int, meshes: int, compiled: int
) -> None:
    if progress is not None:
        progress(mesh * COMPILED + min(compiled, COMPILED), meshes * COMPILED)


def _meshes(config: plan_config.PlanConfig, count: int) -> list[sharding.MeshConfig]:
    """Returns meshes that leave what the config says and deal the batch out evenly."""
    given = config.mesh
    tried = [x for x in _shapes(count // given.slices) if _agrees(x, given)]
    if not tried:
        _, data, fsdp, tensor = sharding.axis_sizes(given, count)
        tried = [sharding.MeshConfig(data=data, fsdp=fsdp, tensor=tensor)]
    tried = [dataclasses.replace(mesh, slices=given.slices) for mesh in tried]
    batch = config.learner.batch_clips
    found = [mesh for mesh in tried if batch % _hands(mesh) == 0]
    if not found:
        hands = " or ".join(str(x) for x in sorted({_hands(mesh) for mesh in tried}))
        raise errors.InputError(
            f"LearnerConfig.batch_clips must be a multiple of {hands}, for chips to "
            f"have as many each; got {batch}. Change it, or MeshConfig."
        )
    return found


def _shapes(count: int) -> Iterator[sharding.MeshConfig]:
    """Yields all chips over fsdp, groups of few and of half of them, and pairs."""
    yield sharding.MeshConfig(data=1, fsdp=count)
    few = sharding.MOST_FSDP
    if count % few == 0 and count > 2 * few:
        yield sharding.MeshConfig(data=count // few, fsdp=few)
    if count % 2 == 0 and count > 2:
        yield sharding.MeshConfig(data=2, fsdp=count // 2)
        yield sharding.MeshConfig(data=1, fsdp=count // 2, tensor=2)


def _agrees(mesh: sharding.MeshConfig, given: sharding.MeshConfig) -> bool:
    """Tells whether a mesh has the axes that were given."""
    return (
        given.data in (-1, mesh.data)
        and given.fsdp in (-1, mesh.fsdp)
        and given.tensor in (-1, 1, mesh.tensor)
    )


def _hands(mesh: sharding.MeshConfig) -> int:
    """Returns how many hold different clips."""
    return mesh.slices * mesh.data * mesh.fsdp


def _best(
    config: plan_config.PlanConfig,
    mesh: sharding.MeshConfig,
    tell: Callable[[int], None],
) -> plan.Row | None:
    """Returns the fastest update of a mesh that fits; None where none does."""
    each = config.learner.batch_clips // _hands(mesh)
    sizes = [n for n in range(1, min(each, MOST_CLIPS) + 1) if each % n == 0]
    rows: dict[int, plan.Row] = {}

    def compiled(clips: int) -> plan.Row:
        rows[clips] = _compiled(config, mesh, each // clips)
        tell(len(rows))
        return rows[clips]

    first = compiled(sizes[0])
    if not _has_room(first):
        return None
    if len(sizes) > 1:
        second = compiled(sizes[1])
        grows = max(1, second.needs.peak - first.needs.peak) / (sizes[1] - sizes[0])
        room = MARGIN * first.topology.chip.memory - first.needs.peak
        for clips in reversed([x for x in sizes[2:] if x <= 1 + room / grows]):
            if _has_room(compiled(clips)):
                break
    return max((row for row in rows.values() if _has_room(row)), key=_rate)


def _has_room(row: plan.Row) -> bool:
    return row.needs.peak <= MARGIN * row.topology.chip.memory


def _rate(row: plan.Row) -> float:
    return row.tokens / row.estimate.seconds


def _compiled(
    config: plan_config.PlanConfig, mesh: sharding.MeshConfig, parts: int
) -> plan.Row:
    """Plans the update on a mesh, its batch taken in so many parts."""
    learner = dataclasses.replace(config.learner, microbatches=parts)
    return plan.plan(dataclasses.replace(config, mesh=mesh, learner=learner), "update")
