"""Chips that programs are planned for, and topologies of them.

Figures are the vendors' (cloud.google.com/tpu/docs, per chip): peak bfloat16 FLOPs,
memory, its bandwidth, and the one-way bandwidth of all links between chips.
"""

import dataclasses
import math
import os
import re
from typing import Any

from musicrl_jax.core import errors

_GB = 1e9
_GIB = float(2**30)
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
      chips_per_host: of a slice of several hosts.
      single_host: most chips of a slice that is one host.
    """

    name: str
    flops: float
    memory: float
    memory_bandwidth: float
    link_bandwidth: float
    chips_per_host: int
    single_host: int


CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            name="v4",
            flops=275e12,
            memory=32 * _GIB,
            memory_bandwidth=1228 * _GB,
            link_bandwidth=300 * _GB,
            chips_per_host=4,
            single_host=4,
        ),
        Chip(
            name="v5e",
            flops=197e12,
            memory=16 * _GIB,
            memory_bandwidth=819 * _GB,
            link_bandwidth=200 * _GB,
            chips_per_host=4,
            single_host=8,
        ),
        Chip(
            name="v5p",
            flops=459e12,
            memory=95 * _GIB,
            memory_bandwidth=2765 * _GB,
            link_bandwidth=600 * _GB,
            chips_per_host=4,
            single_host=4,
        ),
        Chip(
            name="v6e",
            flops=918e12,
            memory=32 * _GIB,
            memory_bandwidth=1640 * _GB,
            link_bandwidth=400 * _GB,
            chips_per_host=4,
            single_host=8,
        ),
    )
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topology:
    """Chips of one slice, such as v5e:4x4.

    Attributes:
      name: chip and shape.
      chip: of which it is made.
      shape: chips along each axis.
    """

    name: str
    chip: Chip
    shape: tuple[int, ...]

    @property
    def chips(self) -> int:
        """Chips of the slice."""
        return math.prod(self.shape)

    @property
    def hosts(self) -> int:
        """Hosts of the slice."""
        if self.chips <= self.chip.single_host:
            return 1
        return self.chips // self.chip.chips_per_host

    def devices(self) -> list[Any]:
        """Returns the slice's devices, to compile for; none is needed here.

        Raises:
          InputError: without libtpu, or for a shape that the chip does not come in.
        """
        # The compiler asks a metadata server for the machine's chips otherwise.
        for name, value in ({"TPU_SKIP_MDS_QUERY": "1"} | _LOG_LEVEL).items():
            os.environ.setdefault(name, value)
        from jax.experimental import topologies

        try:
            found = topologies.get_topology_desc(
                platform="tpu", topology_name=self.name
            )
        except (RuntimeError, ValueError, NotImplementedError, OSError) as error:
            raise errors.InputError(
                f"The TPU compiler must know {self.name}; it said: "
                f"{str(error).splitlines()[0]}. Install it with "
                "`pip install 'musicrl-jax[tpu]'`, and take a shape that exists."
            ) from error
        return list(found.devices)


def parse_topology(name: str) -> Topology:
    """Reads a name such as v5e:4x4 or v5p:4x4x4.

    Raises:
      InputError: for an unknown chip or a malformed shape.
    """
    match = re.fullmatch(r"(\w+):(\d+(?:x\d+){1,2})", name)
    if match is None or match.group(1) not in CHIPS:
        raise errors.InputError(
            f"A topology is one of {', '.join(CHIPS)} with its shape, such as v5e:4x4 "
            f"or v5p:4x4x4; got {name!r}."
        )
    shape = tuple(int(x) for x in match.group(2).split("x"))
    return Topology(name=name, chip=CHIPS[match.group(1)], shape=shape)
