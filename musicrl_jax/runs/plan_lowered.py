"""Plans for GPUs and CPUs: programs are lowered for them, not compiled.

Memory besides arguments and outputs, and what devices send, only their compiler knows,
which needs the device: `musicrl bench update` there tells them.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from musicrl_jax.core import sharding
from musicrl_jax.planning import lowered
from musicrl_jax.runs import plan_config, plan_programs

GB = 1e9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One program lowered for some devices.

    Attributes:
      program: its name.
      target: the devices.
      clips: in one run of it, over all devices.
      parameters: that it reads.
      tokens: of its clips.
      mesh: devices along each axis.
      arguments: bytes that each device is given.
      flops: of each device, were the work dealt out evenly.
      reads: bytes that each must read at least: its arguments, once a step of a loop.
    """

    program: str
    target: lowered.Target
    clips: int
    parameters: int
    tokens: int
    mesh: Mapping[str, int]
    arguments: int
    flops: float
    reads: int

    note = (
        "Lowered, not compiled: temporaries and traffic are not known. FLOPs are those "
        "of the traced program, dealt out evenly; seconds are an estimate: "
        "the larger of compute time at the bfloat16 peak and of reading the arguments."
    )

    @property
    def advice(self) -> str:
        """What to change where it cannot fit; empty where it may."""
        chip = self.target.chip
        if chip is None or self.arguments <= chip.memory:
            return ""
        over = (self.arguments - chip.memory) / GB
        return f"{over:.1f} GB too much a device before temporaries. Take more devices."

    @property
    def limits(self) -> dict[str, float]:
        """Least seconds by what limits them; none where the device is unknown."""
        chip = self.target.chip
        if chip is None:
            return {}
        reading = self.reads / chip.memory_bandwidth
        return {"compute": self.flops / chip.flops, "memory": reading}

    @property
    def seconds(self) -> float | None:
        """Least seconds, an estimate; None where the device is unknown."""
        return max(self.limits.values(), default=None)

    @property
    def bound(self) -> str | None:
        """What limits the program, of what is known."""
        return max(self.limits, key=lambda name: self.limits[name], default=None)

    def fields(self) -> dict[str, Any]:
        """Returns all figures by name, bytes as integers."""
        chip, seconds = self.target.chip, self.seconds
        return {
            "program": self.program,
            "topology": self.target.name,
            "chips": self.target.number,
            "hosts": -(-self.target.number // lowered.HOST),
            "platform": self.target.platform,
            "parameters": self.parameters,
            "mesh": dict(self.mesh),
            "clips": self.clips,
            "argument_bytes": self.arguments,
            "capacity_bytes": None if chip is None else int(chip.memory),
            "temporary_bytes": None,
            "peak_bytes": None,
            "fits": False if self.advice else None,
            "advice": self.advice,
            "note": self.note,
            "flops": self.flops,
            "memory_bytes": None,
            "sent_bytes": None,
            "estimated_seconds": self.limits,
            "bound": self.bound,
            "mfu_ceiling": None,
            "estimated_tokens_per_second": self.tokens / seconds if seconds else None,
        }

    def short(self) -> dict[str, str]:
        """Returns a row for people: of each device, in GB, TFLOP and seconds."""
        chip, seconds = self.target.chip, self.seconds
        room = "" if chip is None else f" of {chip.memory / GB:.1f}"
        least = "-" if seconds is None else f"{seconds:.2g}, {self.bound}"
        return {
            "program": self.program,
            "topology": self.target.name,
            "mesh": plan_programs.mesh_text(self.mesh),
            "clips": str(self.clips),
            "arguments GB": f"{self.arguments / GB:.2f}{room}",
            "TFLOP": f"{self.flops / 1e12:.3g}",
            "least s (estimate)": least,
            "tokens/s <=": f"{self.tokens / seconds:.3g}" if seconds else "-",
        }


def plan(config: plan_config.PlanConfig, program: str, learner: lowered.Target) -> Row:
    """Lowers one program and reads what it is given and computes.

    Raises:
      InputError: where the batch does not fit the mesh.
    """
    actor = lowered.parse(config.actor_topology) or learner.one_host
    target = learner if program == "update" else actor
    mesh = sharding.abstract_mesh(plan_programs.mesh_of(config, program), target.number)
    built = plan_programs.build(config, program, mesh)
    traced = built.traced()
    traced.lower(lowering_platforms=(target.platform,))
    arguments = lowered.bytes_of_each(built.arguments)
    return Row(
        program=program,
        target=target,
        clips=built.clips,
        parameters=built.parameters,
        tokens=built.clips * config.frames * config.layout.tokens_per_frame,
        mesh=built.mesh,
        arguments=arguments,
        flops=lowered.flops(traced) / target.number,
        reads=arguments * (config.frames if program == "sample" else 1),
    )
