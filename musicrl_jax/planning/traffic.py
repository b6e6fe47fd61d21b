"""Collectives of a compiled program: how many, of what, and how much they move."""

import dataclasses
import math
import re
from collections.abc import Sequence

from musicrl_jax.planning import hlo

KINDS = (
    "all-gather",
    "all-reduce",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
)
_LISTED = re.compile(r"replica_groups=\{\{([\d,]+)\}")
_IOTA = re.compile(r"replica_groups=\[(\d+),(\d+)\]<=")
_MESH = re.compile(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}")
_CHANNEL = re.compile(r"channel_id=(\d+)")
_BETWEEN = 'handler_name="xla_megascale_runtime"'
"""Marks what the TPU compiler hands to the network between slices."""
_TRANSFER = re.compile(r'_xla_megascale_transfer_type="(\w+)"')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collective:
    """One collective operation.

    Attributes:
      kind: one of `KINDS`.
      shapes: its results on one chip.
      group: chips that take part.
      times: how often it runs.
    """

    kind: str
    shapes: tuple[hlo.Shape, ...]
    group: int
    times: int

    @property
    def result_bytes(self) -> int:
        """Bytes of its results on one chip, once."""
        return sum(shape.bytes for shape in self.shapes)

    @property
    def sent_bytes(self) -> float:
        """Bytes that a chip sends in all its runs, on a ring of its group."""
        share = (self.group - 1) / self.group
        factor = {
            "all-gather": share,
            "all-reduce": 2 * share,
            "reduce-scatter": float(self.group - 1),
            "all-to-all": share,
            "collective-permute": 1.0,
        }[self.kind]
        return self.times * self.result_bytes * factor


def collectives(module: hlo.Module, chips: int) -> list[Collective]:
    """Returns the collectives of a program for `chips` chips, the most costly first.

    The TPU compiler repeats an operation that it hides behind others in several
    fusions; those of one channel are one.
    """
    found: dict[str, Collective] = {}
    for computation, times in module.executed():
        for row in computation.instructions.values():
            kind = row.opcode.removesuffix("-start")
            if kind not in KINDS:
                continue
            channel = _CHANNEL.search(row.attributes)
            key = f"{kind} {channel.group(1)}" if channel else f"{row.name}"
            one = Collective(
                kind=kind,
                shapes=_results(row, kind),
                group=group_size(row.attributes, chips),
                times=times,
            )
            if one.group > 1 and (key not in found or found[key].times < times):
                found[key] = one
    return sorted(found.values(), key=lambda x: -x.sent_bytes)


def sent_between_slices(module: hlo.Module, slices: int) -> float:
    """Returns the bytes that a chip sends to other slices.

    Collectives across slices are done in two parts: within each slice as all others,
    then chip by chip with those in the same place of the other slices. The second is a
    ring of `slices` here; transfers of other kinds count once.
    """
    share = (slices - 1) / slices
    factors = {
        "ALL_REDUCE": 2 * share,
        "ALL_GATHER": float(slices - 1),
        "REDUCE_SCATTER": share,
        "ALL_TO_ALL": share,
    }
    total = 0.0
    for computation, times in module.executed():
        for row in computation.instructions.values():
            if row.opcode != "send" or _BETWEEN not in row.attributes:
                continue
            kind = _TRANSFER.search(row.attributes)
            factor = factors.get(kind.group(1), 1.0) if kind else 1.0
            total += times * row.shapes[0].bytes * factor
    return total


def gathers(found: Sequence[Collective]) -> list[hlo.Shape]:
    """Returns what all-gathers make on a chip, each shape once, the largest first."""
    made = [one.shapes for one in found if one.kind == "all-gather"]
    distinct = dict.fromkeys(shape for shapes in made for shape in shapes)
    return sorted(distinct, key=lambda shape: -shape.bytes)


def _results(row: hlo.Instruction, kind: str) -> tuple[hlo.Shape, ...]:
    """Returns the results; those that start one list its inputs first."""
    shapes = tuple(x for x in row.shapes if x.dims)
    if not row.opcode.endswith("-start"):
        return shapes
    if kind == "all-reduce":
        return shapes
    return shapes[len(shapes) // 2 :]


def group_size(attributes: str, chips: int) -> int:
    """Returns how many chips exchange with one another."""
    if match := _LISTED.search(attributes):
        return len(match.group(1).split(","))
    if match := _IOTA.search(attributes):
        return int(match.group(2))
    if match := _MESH.search(attributes):
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", match.group(1)))
        return math.prod(int(sizes[x]) for x in re.findall(r"'(\w+)'", match.group(2)))
    return chips
