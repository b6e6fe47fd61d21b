"""TPU slices by the names that `musicrl plan` takes, such as "v5e:4x4".

Chips, hosts, and what Google Cloud's two interfaces call each. Source: "Plan TPUs
in GKE" and the pages of the TPU generations in Google Cloud's documentation.
"""

import dataclasses
import math
import re

from musicrl_jax.core import errors


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generation:
    """What the slices of one TPU generation have in common.

    Attributes:
      accelerator: value of GKE's label `cloud.google.com/gke-tpu-accelerator`.
      machine: GKE's machine type, with the chips of a host to be filled in.
      prefix: of Cloud TPU's accelerator types.
      cores_per_chip: what those count a chip as.
      runtime: image of a TPU VM.
      single_hosts: slices of one host.
      more: slices of several hosts of four chips; empty for those of three dimensions,
        which follow a rule.
    """

    accelerator: str
    machine: str
    prefix: str
    cores_per_chip: int
    runtime: str
    single_hosts: tuple[str, ...]
    more: tuple[str, ...] = ()


_FLAT = ("4x4", "4x8", "8x8", "8x16", "16x16")
GENERATIONS = {
    "v4": Generation(
        accelerator="tpu-v4-podslice",
        machine="ct4p-hightpu-{}t",
        prefix="v4",
        cores_per_chip=2,
        runtime="tpu-ubuntu2204-base",
        single_hosts=("2x2x1",),
    ),
    "v5e": Generation(
        accelerator="tpu-v5-lite-podslice",
        machine="ct5lp-hightpu-{}t",
        prefix="v5litepod",
        cores_per_chip=1,
        runtime="v2-alpha-tpuv5-lite",
        single_hosts=("1x1", "2x2", "2x4"),
        more=_FLAT,
    ),
    "v5p": Generation(
        accelerator="tpu-v5p-slice",
        machine="ct5p-hightpu-{}t",
        prefix="v5p",
        cores_per_chip=2,
        runtime="v2-alpha-tpuv5",
        single_hosts=("2x2x1",),
    ),
    "v6e": Generation(
        accelerator="tpu-v6e-slice",
        machine="ct6e-standard-{}t",
        prefix="v6e",
        cores_per_chip=1,
        runtime="v2-alpha-tpuv6e",
        single_hosts=("1x1", "2x2", "2x4"),
        more=_FLAT,
    ),
}
_CHIPS_OF_A_HOST = 4  # of every slice of several hosts
_SMALL_CUBOIDS = ("2x2x2", "2x2x4", "2x4x4")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topology:
    """One slice; see `parse`."""

    generation: str
    shape: str

    @property
    def _facts(self) -> Generation:
        return GENERATIONS[self.generation]

    @property
    def name(self) -> str:
        """Such as "v5e:4x4"."""
        return f"{self.generation}:{self.shape}"

    @property
    def chips(self) -> int:
        """Chips of the slice."""
        return math.prod(_sides(self.shape))

    @property
    def chips_per_host(self) -> int:
        """Chips of each of its hosts."""
        single = self.shape in self._facts.single_hosts
        return self.chips if single else _CHIPS_OF_A_HOST

    @property
    def hosts(self) -> int:
        """Virtual machines, each of which runs one process."""
        return self.chips // self.chips_per_host

    @property
    def single_hosts(self) -> tuple[str, ...]:
        """Shapes of this generation that are one host, the largest last."""
        return self._facts.single_hosts

    @property
    def gke_accelerator(self) -> str:
        """Value of the label `cloud.google.com/gke-tpu-accelerator`."""
        return self._facts.accelerator

    @property
    def gke_machine(self) -> str:
        """Machine type of the node pool."""
        return self._facts.machine.format(self.chips_per_host)

    @property
    def accelerator_type(self) -> str:
        """Cloud TPU's name of the slice, such as "v5litepod-16" or "v5p-128"."""
        return f"{self._facts.prefix}-{self.chips * self._facts.cores_per_chip}"

    @property
    def runtime_version(self) -> str:
        """Image that a TPU VM starts with."""
        return self._facts.runtime


def parse(name: str, one_host_for: str = "") -> Topology:
    """Returns the slice of a name such as "v5e:4x4" or "v5p:4x4x8".

    Args:
      name: generation and shape.
      one_host_for: the role, where it is one that does not span hosts.

    Raises:
      InputError: there is no such generation or shape, or it has too many hosts; names
        those that would do.
    """
    generation, _, shape = name.partition(":")
    if generation not in GENERATIONS:
        raise errors.InputError(
            f"A TPU topology reads GENERATION:SHAPE, with one of "
            f"{', '.join(GENERATIONS)}; got {name!r}. Write it as in v5e:4x4."
        )
    facts = GENERATIONS[generation]
    if facts.more:
        known = shape in facts.single_hosts + facts.more
        offered = ", ".join(facts.single_hosts + facts.more)
    else:
        known = _is_cuboid(shape)
        offered = (
            f"2x2x1, {', '.join(_SMALL_CUBOIDS)}, and AxBxC of multiples of 4, A <= B "
            "<= C"
        )
    if not known:
        raise errors.InputError(
            f"A {generation} slice has one of the shapes {offered}; got {shape!r}. "
            "Choose one of them."
        )
    topology = Topology(generation=generation, shape=shape)
    if one_host_for and topology.hosts > 1:
        raise errors.InputError(
            f"An {one_host_for} runs on one host; {name} has {topology.hosts}. Choose "
            f"one of {', '.join(facts.single_hosts)}, and more of them."
        )
    return topology


def _is_cuboid(shape: str) -> bool:
    """Tells whether a slice of three dimensions is one that can be had."""
    if shape in ("2x2x1", *_SMALL_CUBOIDS):
        return True
    if not re.fullmatch(r"[1-9]\d{0,2}(x[1-9]\d{0,2}){2}", shape):
        return False
    sides = _sides(shape)
    return sides == sorted(sides) and all(side % 4 == 0 for side in sides)


def _sides(shape: str) -> list[int]:
    return [int(side) for side in shape.split("x")]
