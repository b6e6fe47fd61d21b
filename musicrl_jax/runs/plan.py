"""Plans a run before a pod is rented: compiles its programs for a named topology.

Required: nothing. Commonly overridden: `.topology`, `LearnerConfig.batch_clips`,
`LearnerConfig.microbatches`, `MeshConfig.fsdp`, `MeshConfig.slices`.

The learner's update, the actors' sampling loop and their reward pass are the programs
that run, compiled by the TPU compiler on this machine, which needs no TPU. Bytes and
FLOPs are read from what it made; seconds are an estimate from the chip's limits.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from musicrl_jax.core import sharding
from musicrl_jax.planning import chips, lowered, roofline
from musicrl_jax.runs import (
    musiclm_flops,
    plan_actor,
    plan_config,
    plan_lowered,
    plan_programs,
)

GB = 1e9
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One program on one topology.

    Attributes:
      program: its name.
      topology: that it was compiled for.
      clips: in one run of it, over all chips.
      needs: of each chip.
      estimate: of its seconds.
      parameters: that it reads.
      tokens: of its clips.
      mesh: chips along each axis.
      parts: that the clips are taken in, one after another.
    """

    program: str
    topology: chips.Target
    clips: int
    needs: roofline.Needs
    estimate: roofline.Estimate
    parameters: int
    tokens: int
    mesh: Mapping[str, int]
    parts: int = 1

    note = (
        "Bytes and FLOPs are read from the compiled program; seconds are estimates: "
        "the largest of compute, memory and network time (within a slice and between "
        "slices) at the chip's limits. Splash attention counts as if its mask hid "
        "nothing."
    )

    @property
    def fits(self) -> bool:
        """Whether the program's memory is within the chip's."""
        return self.needs.peak <= self.topology.chip.memory

    @property
    def advice(self) -> str:
        """What to change where it does not fit; empty where it does."""
        if self.fits:
            return ""
        over = (self.needs.peak - self.topology.chip.memory) / GB
        change = {
            "update": "Raise LearnerConfig.microbatches, MeshConfig.fsdp or the chips",
            "sample": "Lower ActorConfig.clips, or take more chips a host",
            "rewards": "Lower ActorConfig.clips",
        }[self.program]
        return f"{over:.1f} GB too much a chip. {change}."

    @property
    def recommendation(self) -> str:
        """The settings of this row, in one line, for the best one of a search."""
        axes = ("data", "fsdp", "tensor")
        sizes = ", ".join(f"MeshConfig.{axis}={self.mesh[axis]}" for axis in axes)
        return (
            f"Recommended: {sizes} and LearnerConfig.microbatches={self.parts}, for "
            f"LearnerConfig.batch_clips={self.clips}."
        )

    def fields(self) -> dict[str, Any]:
        """Returns all figures by name, bytes as integers."""
        needs, estimate = self.needs, self.estimate
        return {
            "program": self.program,
            "topology": self.topology.name,
            "slices": self.topology.slices,
            "chips": self.topology.chips,
            "hosts": self.topology.hosts,
            "parameters": self.parameters,
            "mesh": dict(self.mesh),
            "clips": self.clips,
            "parts": self.parts,
            "argument_bytes": needs.arguments,
            "output_bytes": needs.outputs,
            "temporary_bytes": needs.temporaries,
            "code_bytes": needs.code,
            "peak_bytes": needs.peak,
            "capacity_bytes": int(self.topology.chip.memory),
            "fits": self.fits,
            "advice": self.advice,
            "note": self.note,
            "flops": needs.flops,
            "memory_bytes": needs.memory_bytes,
            "sent_bytes": needs.sent_bytes,
            "sent_between_slices_bytes": needs.sent_between_slices,
            "collectives": needs.collectives,
            "largest_gather_bytes": needs.largest_gather,
            "estimated_seconds": estimate.limits,
            "bound": estimate.bound,
            "estimated_tokens_per_second": self.tokens / estimate.seconds,
            "mfu_ceiling": estimate.mfu_ceiling,
        }

    def short(self) -> dict[str, str]:
        """Returns a row for people: of each chip, in GB, TFLOP and seconds."""
        needs, estimate, chip = self.needs, self.estimate, self.topology.chip
        clips = f"{self.clips}" + (f" in {self.parts}" if self.parts > 1 else "")
        sent = f"{needs.sent_bytes / GB:.1f}"
        if self.topology.slices > 1:
            sent += f", {needs.sent_between_slices / GB:.1f} between slices"
        return {
            "program": self.program,
            "topology": f"{self.topology.name}, {self.topology.hosts} hosts",
            "mesh": plan_programs.mesh_text(self.mesh),
            "clips": clips,
            "arguments": f"{needs.arguments / GB:.2f}",
            "outputs": f"{needs.outputs / GB:.2f}",
            "temporaries": f"{needs.temporaries / GB:.2f}",
            "peak of GB": f"{needs.peak / GB:.1f} of {chip.memory / GB:.1f}",
            "fits": "yes" if self.fits else "NO",
            "TFLOP": f"{needs.flops / 1e12:.3g}",
            "read+written GB": f"{needs.memory_bytes / GB:.0f}",
            "sent GB": sent,
            "collectives": str(sum(needs.collectives.values())),
            "least s (estimate)": f"{estimate.seconds:.3g}, {estimate.bound}",
            "tokens/s": f"{self.tokens / estimate.seconds:.3g}",
            "MFU <=": f"{estimate.mfu_ceiling:.0%}",
        }


def run(
    config: plan_config.PlanConfig, progress: Progress | None = None
) -> Sequence[Row | plan_lowered.Row | plan_actor.Row]:
    """Compiles each program, or lowers it for GPUs and CPUs; returns what each needs.

    What an actor holds over all its programs comes last, where those are compiled.

    Raises:
      InputError: without the TPU compiler, or where the batch does not fit the mesh.
    """
    devices = lowered.parse(config.topology)
    programs = config.programs or plan_config.PROGRAMS
    rows: list[Row | plan_lowered.Row] = []
    for number, program in enumerate(programs):
        if progress is not None:
            progress(number, len(programs))
        if devices is None:
            rows.append(plan(config, program))
        else:
            rows.append(plan_lowered.plan(config, program, devices))
    if progress is not None:
        progress(len(programs), len(programs))
    return [*rows, *_whole_actor(config, rows)]


def _whole_actor(
    config: plan_config.PlanConfig, rows: Sequence[Row | plan_lowered.Row]
) -> list[plan_actor.Row]:
    """Returns what an actor holds over all programs, where those were compiled."""
    made = {row.program: row for row in rows if isinstance(row, Row)}
    if not made.keys() >= plan_actor.PROGRAMS.keys():
        return []
    needs = {name: made[name].needs for name in plan_actor.PROGRAMS}
    return [plan_actor.plan(config, made["sample"].topology, needs)]


def plan(config: plan_config.PlanConfig, program: str) -> Row:
    """Compiles one program and measures what it needs."""
    learner = chips.parse(config.topology, config.mesh.slices)
    topology = learner if program == "update" else _actor(config, learner)
    shape = plan_programs.mesh_of(config, program)
    mesh = sharding.make_mesh(shape, topology.devices())
    built = plan_programs.build(config, program, mesh)
    compiled = built.traced().lower().compile()
    needs = roofline.measure(compiled, topology.slice.chips, topology.slices)
    useful = useful_flops(config, program) * built.clips / topology.chips
    return Row(
        program=program,
        topology=topology,
        clips=built.clips,
        needs=needs,
        estimate=roofline.estimate(needs, topology.chip, useful or needs.flops),
        parameters=built.parameters,
        tokens=built.clips * config.frames * config.layout.tokens_per_frame,
        mesh=built.mesh,
        parts=config.learner.microbatches if program == "update" else 1,
    )


def _actor(config: plan_config.PlanConfig, learner: chips.Target) -> chips.Target:
    """Returns the slice of an actor: one host, unless the config names another."""
    if config.actor_topology:
        return chips.parse(config.actor_topology)
    return learner.one_host


def useful_flops(config: plan_config.PlanConfig, program: str) -> float:
    """Returns the FLOPs that the mathematics needs for one clip; 0 where not counted.

    MFU is these over the chip's peak times the seconds: no recomputation, and of
    attention only what a place may see.
    """
    forward = musiclm_flops.forward(
        config.musiclm, config.layout, config.frames, scored="seen"
    )
    if program == "sample":
        return forward.trunk + forward.heads
    if program == "update":
        value = config.learner.baseline == "value"
        return musiclm_flops.update(forward, remat=False, value=value)
    return 0.0
