"""Chips that programs are planned for, and topologies of them.

Figures are the vendors' (cloud.google.com/tpu/docs, per chip): peak bfloat16 FLOPs,
memory, its bandwidth, and the one-way bandwidth of all links between chips; between
slices that of the data-centre network, a chip's share of what a pod or host has.
"""

import dataclasses
import os
from typing import Any

from musicrl_jax.core import errors
from musicrl_jax.planning import tpu_topology

_GB = 1e9
_GIB = float(2**30)
_ALONE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "TPU_WORKER_HOSTNAMES": "localhost",
}
"""Without a TPU there is no metadata server to ask, and no chip to be alone on.

libtpu prints errors about a machine of no type and no name; those given here do not
limit what it compiles for.
"""
_LOG_LEVEL = {"TPU_MIN_LOG_LEVEL": "3", "TF_CPP_MIN_LOG_LEVEL": "3"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chip:
    """What one chip can do.

    Attributes:
      name: as in a topology's name.
      flops: bfloat16 multiplications and additions a second.
      memory: bytes.
      memory_bandwidth: bytes a second.
      link_bandwidth: bytes a second that it sends, over all its links together.
      slice_bandwidth: bytes a second that it sends to other slices; 0 where its vendor
        names none.
    """

    name: str
    flops: float
    memory: float
    memory_bandwidth: float
    link_bandwidth: float
    slice_bandwidth: float = 0.0


CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            name="v4",
            flops=275e12,
            memory=32 * _GIB,
            memory_bandwidth=1228 * _GB,
            link_bandwidth=300 * _GB,
        ),
        Chip(
            name="v5e",
            flops=197e12,
            memory=16 * _GIB,
            memory_bandwidth=819 * _GB,
            link_bandwidth=200 * _GB,
            slice_bandwidth=6400 / 8 / 256 * _GB,
        ),
        Chip(
            name="v5p",
            flops=459e12,
            memory=95 * _GIB,
            memory_bandwidth=2765 * _GB,
            link_bandwidth=600 * _GB,
            slice_bandwidth=50 / 8 * _GB,
        ),
        Chip(
            name="v6e",
            flops=918e12,
            memory=32 * _GIB,
            memory_bandwidth=1640 * _GB,
            link_bandwidth=400 * _GB,
            slice_bandwidth=25_600 / 8 / 256 * _GB,
        ),
    )
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """A slice, or several alike, to compile for.

    Attributes:
      slice: chips and hosts of one.
      chip: what each of its chips can do.
      slices: how many.
    """

    slice: tpu_topology.Topology
    chip: Chip
    slices: int = 1

    @property
    def name(self) -> str:
        """Such as v5e:4x4, or 2 x v5e:4x4."""
        several = f"{self.slices} x " if self.slices > 1 else ""
        return several + self.slice.name

    @property
    def chips(self) -> int:
        """Chips of all slices."""
        return self.slice.chips * self.slices

    @property
    def hosts(self) -> int:
        """Hosts of all slices."""
        return self.slice.hosts * self.slices

    @property
    def one_host(self) -> "Target":
        """The largest slice of the same chips that is one host."""
        return parse(f"{self.chip.name}:{self.slice.single_hosts[-1]}")

    def devices(self) -> list[Any]:
        """Returns the slices' devices, to compile for; none is needed here.

        Raises:
          InputError: without libtpu, or for a shape that the chip does not come in.
        """
        for name, value in (_ALONE | _LOG_LEVEL).items():
            os.environ.setdefault(name, value)
        from jax.experimental import topologies

        several = {"num_slices": self.slices} if self.slices > 1 else {}
        try:
            found = topologies.get_topology_desc(
                platform="tpu", topology_name=self.slice.name, **several
            )
        except (RuntimeError, ValueError, NotImplementedError, OSError) as error:
            raise errors.InputError(
                f"The TPU compiler must know {self.name}; it said: "
                f"{str(error).splitlines()[0]}. Install it in the checkout with "
                "`pip install -r requirements-tpu.lock`, and take a shape that exists."
            ) from error
        return list(found.devices)


def parse(name: str, slices: int = 1) -> Target:
    """Returns one or more slices of a name such as v5e:4x4 or v5p:4x4x4.

    Raises:
      InputError: see `tpu_topology.parse`; for an unknown number of slices, or several
        of chips whose bandwidth between slices is not known.
    """
    found = tpu_topology.parse(name)
    chip = CHIPS[found.generation]
    if slices < 1 or (slices > 1 and not chip.slice_bandwidth):
        known = ", ".join(x.name for x in CHIPS.values() if x.slice_bandwidth)
        raise errors.InputError(
            f"A plan is for 1 slice or for several of {known}; got {slices} of {name}. "
            "Set MeshConfig.slices, and --topology to that of one slice."
        )
    return Target(slice=found, chip=chip, slices=slices)
