"""Tries meshes and batches of the learner's update, and recommends one.

A program's memory grows linearly with the clips that a chip holds at a time, so each
mesh is compiled for one and for two; the most that fits is then compiled to be sure.
Larger batches are made of several parts of that size.
"""

import dataclasses
from collections.abc import Iterator

from musicrl_jax.core import errors, sharding
from musicrl_jax.planning import chips, lowered
from musicrl_jax.runs import plan, plan_config

MARGIN = 0.95
"""Share of a chip's memory that a recommendation may take."""
MOST_CLIPS = 64


def run(
    config: plan_config.PlanConfig, progress: plan.Progress | None = None
) -> list[plan.Row]:
    """Returns the best row of each mesh, the most tokens a second first.

    Raises:
      InputError: where no mesh fits one clip a chip, or for other than TPUs.
    """
    if lowered.parse(config.topology) is not None:
        raise errors.InputError(
            f"The search compiles, so it needs a slice of TPUs; got {config.topology}. "
            "Set --topology to one such as v5e:4x4, or leave --search out."
        )
    meshes = list(_meshes(chips.parse(config.topology).chips))
    rows = []
    for number, mesh in enumerate(meshes):
        if (row := _best(config, mesh)) is not None:
            rows.append(row)
        if progress is not None:
            progress(number + 1, len(meshes))
    if not rows:
        raise errors.InputError(
            f"No mesh of {config.topology} holds one clip a chip at a time. Take more "
            "chips, shorter clips, or set LearnerConfig.chunk_frames lower."
        )
    return sorted(rows, key=lambda row: -row.tokens / row.estimate.seconds)


def _meshes(count: int) -> Iterator[sharding.MeshConfig]:
    """Yields all chips over fsdp, groups of few and of half of them, and pairs."""
    yield sharding.MeshConfig(data=1, fsdp=count)
    few = sharding.MOST_FSDP
    if count % few == 0 and count > 2 * few:
        yield sharding.MeshConfig(data=count // few, fsdp=few)
    if count % 2 == 0 and count > 2:
        yield sharding.MeshConfig(data=2, fsdp=count // 2)
        yield sharding.MeshConfig(data=1, fsdp=count // 2, tensor=2)


def _best(config: plan_config.PlanConfig, mesh: sharding.MeshConfig) -> plan.Row | None:
    one, two = (_compiled(config, mesh, clips) for clips in (1, 2))
    if not _has_room(one):
        return None
    each = max(1, two.needs.peak - one.needs.peak)
    room = MARGIN * one.topology.chip.memory - one.needs.peak
    clips = min(MOST_CLIPS, 1 + max(0, int(room // each)))
    clips = 1 << (clips.bit_length() - 1)
    while clips > 2:
        row = _compiled(config, mesh, clips)
        if _has_room(row):
            return row
        clips //= 2
    return two if _has_room(two) else one


def _has_room(row: plan.Row) -> bool:
    return row.needs.peak <= MARGIN * row.topology.chip.memory


def _compiled(
    config: plan_config.PlanConfig, mesh: sharding.MeshConfig, clips: int
) -> plan.Row:
    """Plans one part of an update with `clips` clips a chip."""
    learner = dataclasses.replace(
        config.learner, batch_clips=clips * mesh.data * mesh.fsdp, microbatches=1
    )
    return plan.plan(dataclasses.replace(config, mesh=mesh, learner=learner), "update")
