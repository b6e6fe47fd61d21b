"""What a compiled program needs of a chip, set against what the chip has."""

import collections
import dataclasses
from typing import Any

from jax.stages import Compiled

from musicrl_jax.planning import chips as chip_table
from musicrl_jax.planning import costs, hlo, traffic


@dataclasses.dataclass(frozen=True, kw_only=True)
class Needs:
    """What one chip holds, computes, moves and sends for one run of a program.

    Attributes:
      arguments: bytes of its inputs.
      outputs: bytes of results that do not take an input's place.
      temporaries: bytes beside both, at most at one time.
      code: bytes of the program.
      flops: of matrix products.
      memory_bytes: read from and written to main memory.
      sent_bytes: sent to other chips of the slice.
      sent_between_slices: sent to other slices.
      collectives: kind -> how many run within the slice.
      largest_gather: bytes of the largest result of an all-gather.
      gathers: what all-gathers make, each shape once, the largest first.
    """

    arguments: int
    outputs: int
    temporaries: int
    code: int
    flops: float
    memory_bytes: float
    sent_bytes: float
    collectives: dict[str, int]
    largest_gather: int
    gathers: tuple[hlo.Shape, ...] = ()
    sent_between_slices: float = 0.0

    @property
    def peak(self) -> int:
        """Bytes of memory that the program takes."""
        return self.arguments + self.outputs + self.temporaries + self.code


def measure(compiled: Compiled, chips: int, slices: int = 1) -> Needs:
    """Reads what a program compiled for `slices` slices of `chips` needs of a chip."""
    memory: Any = compiled.memory_analysis()
    module = hlo.parse(compiled.as_text() or "")
    found = traffic.collectives(module, chips)
    kinds: collections.Counter[str] = collections.Counter()
    for one in found:
        kinds[one.kind] += one.times
    gathers = [one.result_bytes for one in found if one.kind == "all-gather"]
    return Needs(
        arguments=memory.argument_size_in_bytes,
        outputs=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        code=memory.generated_code_size_in_bytes,
        flops=costs.flops(module),
        memory_bytes=costs.memory_bytes(module),
        sent_bytes=sum((one.sent_bytes for one in found), 0.0),
        collectives=dict(kinds),
        largest_gather=max(gathers, default=0),
        gathers=tuple(traffic.gathers(found)),
        sent_between_slices=traffic.sent_between_slices(module, slices),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """Least seconds of one run, by what limits it; an estimate, not a measurement.

    Attributes:
      compute: FLOPs over the peak.
      memory: bytes over the bandwidth of memory.
      network: bytes sent over the bandwidth of all links.
      slices: bytes sent between slices over the bandwidth of that network.
      useful: compute seconds of the work that the mathematics needs.
    """

    compute: float
    memory: float
    network: float
    useful: float
    slices: float = 0.0

    @property
    def limits(self) -> dict[str, float]:
        """Seconds by what takes them."""
        return {
            "compute": self.compute,
            "memory": self.memory,
            "network": self.network,
            "network between slices": self.slices,
        }

    @property
    def seconds(self) -> float:
        """The largest of them: all others hide behind it at best."""
        return max(self.limits.values())

    @property
    def bound(self) -> str:
        """What limits the program."""
        return max(self.limits, key=lambda name: self.limits[name])

    @property
    def mfu_ceiling(self) -> float:
        """Useful work over the chip's peak, if the estimate were reached."""
        return self.useful / self.seconds if self.seconds else 0.0


def estimate(needs: Needs, chip: chip_table.Chip, useful_flops: float) -> Estimate:
    """Returns the roofline of a program whose useful work is known."""
    return Estimate(
        compute=needs.flops / chip.flops,
        memory=needs.memory_bytes / chip.memory_bandwidth,
        network=needs.sent_bytes / chip.link_bandwidth,
        slices=_between(needs, chip),
        useful=useful_flops / chip.flops,
    )


def _between(needs: Needs, chip: chip_table.Chip) -> float:
    """Returns the seconds between slices; 0 where nothing is sent there."""
    sent = needs.sent_between_slices
    return sent / chip.slice_bandwidth if sent else 0.0
