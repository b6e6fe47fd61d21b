"""Plans a run before a pod is rented: compiles its programs for a named topology.

Required: nothing. Commonly overridden: `.topology`, `LearnerConfig.batch_clips`,
`LearnerConfig.microbatches`, `MeshConfig.fsdp`.

The learner's update, the actors' sampling loop and their reward pass are the programs
that run, compiled by the TPU compiler on this machine, which needs no TPU. Bytes and
FLOPs are read from what it made; seconds are an estimate from the chip's limits.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from musicrl_jax.core import sharding
from musicrl_jax.planning import chips, lowered, roofline
from musicrl_jax.runs import musiclm_flops, plan_config, plan_lowered, plan_programs

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
    """

    program: str
    topology: chips.Target
    clips: int
    needs: roofline.Needs
    estimate: roofline.Estimate
    parameters: int
    tokens: int
    mesh: Mapping[str, int]

    note = (
        "Bytes and FLOPs are read from the compiled program; seconds are estimates: "
        "the largest of compute, memory and network time at the chip's limits. Splash "
        "attention counts as if its mask hid nothing."
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
            f"Recommended: {sizes}, and LearnerConfig.batch_clips={self.clips} in one "
            f"part, or {self.clips} times LearnerConfig.microbatches."
        )

    def fields(self) -> dict[str, Any]:
        """Returns all figures by name, bytes as integers."""
        needs, estimate = self.needs, self.estimate
        return {
            "program": self.program,
            "topology": self.topology.name,
            "chips": self.topology.chips,
            "hosts": self.topology.hosts,
            "parameters": self.parameters,
            "mesh": dict(self.mesh),
            "clips": self.clips,
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
            "collectives": needs.collectives,
            "largest_gather_bytes": needs.largest_gather,
            "estimated_seconds": {
                "compute": estimate.compute,
                "memory": estimate.memory,
                "network": estimate.network,
            },
            "bound": estimate.bound,
            "estimated_tokens_per_second": self.tokens / estimate.seconds,
            "mfu_ceiling": estimate.mfu_ceiling,
        }

    def short(self) -> dict[str, str]:
        """Returns a row for people: of each chip, in GB, TFLOP and seconds."""
        needs, estimate, chip = self.needs, self.estimate, self.topology.chip
        mesh = "x".join(str(size) for size in self.mesh.values() if size > 1) or "1"
        return {
            "program": self.program,
            "topology": f"{self.topology.name}, {self.topology.hosts} hosts",
            "mesh": mesh,
            "clips": str(self.clips),
            "arguments": f"{needs.arguments / GB:.2f}",
            "outputs": f"{needs.outputs / GB:.2f}",
            "temporaries": f"{needs.temporaries / GB:.2f}",
            "peak of GB": f"{needs.peak / GB:.1f} of {chip.memory / GB:.1f}",
            "fits": "yes" if self.fits else "NO",
            "TFLOP": f"{needs.flops / 1e12:.1f}",
            "read+written GB": f"{needs.memory_bytes / GB:.0f}",
            "sent GB": f"{needs.sent_bytes / GB:.1f}",
            "collectives": str(sum(needs.collectives.values())),
            "least s (estimate)": f"{estimate.seconds:.2f}, {estimate.bound}",
            "tokens/s": f"{self.tokens / estimate.seconds:.3g}",
            "MFU <=": f"{estimate.mfu_ceiling:.0%}",
        }


def run(
    config: plan_config.PlanConfig, progress: Progress | None = None
) -> Sequence[Row | plan_lowered.Row]:
    """Compiles each program, or lowers it for GPUs and CPUs; returns what each needs.

    Raises:
      InputError: without the TPU compiler, or where the batch does not fit the mesh.
    """
    rows: list[Row | plan_lowered.Row] = []
    devices = lowered.parse(config.topology)
    for number, program in enumerate(config.programs):
        if devices is None:
            rows.append(plan(config, program))
        else:
            rows.append(plan_lowered.plan(config, program, devices))
        if progress is not None:
            progress(number + 1, len(config.programs))
    return rows


def plan(config: plan_config.PlanConfig, program: str) -> Row:
    """Compiles one program and measures what it needs."""
    learner = chips.parse(config.topology)
    topology = learner if program == "update" else _actor(config, learner)
    shape = plan_programs.mesh_of(config, program)
    mesh = sharding.make_mesh(shape, topology.devices())
    built = plan_programs.build(config, program, mesh)
    needs = roofline.measure(built.traced().lower().compile(), topology.chips)
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
        config.musiclm, config.layout, config.frames, causal=True
    )
    if program == "sample":
        return forward.trunk + forward.heads
    if program == "update":
        value = config.learner.baseline == "value"
        return musiclm_flops.update(forward, remat=False, value=value)
    return 0.0
