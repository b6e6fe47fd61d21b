"""What can be told of a program for GPUs or CPUs that is traced but not compiled.

Their compilers want the device; the traced program does not. It says how many FLOPs all
devices do together and what each is given, not what a compiler needs besides.
"""

import dataclasses
import math
from typing import Any

import jax
from jax.extend import core as jax_core

from musicrl_jax.core import arrays, errors
from musicrl_jax.planning import chips, convolutions

Variable = Any
"""A variable of a traced program."""

_GB = 1e9
GPUS = {
    chip.name: chip
    for chip in (
        chips.Chip(
            name="a100",
            flops=312e12,
            memory=80 * _GB,
            memory_bandwidth=2039 * _GB,
            link_bandwidth=300 * _GB,
        ),
        chips.Chip(
            name="h100",
            flops=989e12,
            memory=80 * _GB,
            memory_bandwidth=3350 * _GB,
            link_bandwidth=450 * _GB,
        ),
        chips.Chip(
            name="h200",
            flops=989e12,
            memory=141 * _GB,
            memory_bandwidth=4800 * _GB,
            link_bandwidth=450 * _GB,
        ),
    )
}
"""NVIDIA's data sheets of the SXM boards (A100 of 80 GB), without sparsity."""
HOST = 8
"""GPUs of one host."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """Devices to lower for.

    Attributes:
      kind: such as h100, or cpu.
      number: of the devices.
    """

    kind: str
    number: int

    @property
    def name(self) -> str:
        """Such as h100:8."""
        return f"{self.kind}:{self.number}"

    @property
    def chip(self) -> chips.Chip | None:
        """What each can do; unknown of CPUs."""
        return GPUS.get(self.kind)

    @property
    def platform(self) -> str:
        """JAX's name of what it is lowered for."""
        return "cpu" if self.kind == "cpu" else "cuda"

    @property
    def one_host(self) -> "Target":
        """The devices of one host."""
        return dataclasses.replace(self, number=min(self.number, HOST))


def parse(name: str) -> Target | None:
    """Returns the devices of a name such as h100:8 or cpu:1; None for other kinds.

    Raises:
      InputError: the kind is known but the number is none.
    """
    kind, _, number = name.partition(":")
    if kind not in (*GPUS, "cpu"):
        return None
    if not number.isdecimal() or int(number) < 1:
        raise errors.InputError(
            f"A topology of GPUs or CPUs is written with their number, as in {kind}:8; "
            f"got {name!r}."
        )
    return Target(kind=kind, number=int(number))


def bytes_of_each(tree: arrays.Tree) -> int:
    """Returns the bytes of shapes that one device holds, by their shardings."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(tree)
    )


def flops(traced: jax.stages.Traced) -> float:
    """Returns multiplications and additions of all matrix products and convolutions.

    Of all devices together. Loops count as often as they turn, and of what a platform
    chooses from, the most costly counts.
    """
    return _flops(traced.jaxpr.jaxpr)


def _flops(jaxpr: jax_core.Jaxpr) -> float:
    return sum((_of_equation(equation) for equation in jaxpr.eqns), 0.0)


def _of_equation(equation: jax_core.JaxprEqn) -> float:
    name = equation.primitive.name
    if name == "dot_general":
        return _dot(equation)
    if name == "conv_general_dilated":
        return _convolution(equation)
    if name == "cond":
        return max(_flops(branch.jaxpr) for branch in equation.params["branches"])
    times = 1.0
    if name == "scan":
        times = float(equation.params["length"])
    elif name == "pallas_call":
        return 0.0  # Only programs for TPUs run these, and they are compiled.
    elif name == "shard_map":
        times = float(equation.params["mesh"].size)
    return times * sum(_flops(inner) for inner in _inner(equation.params))


def _inner(params: dict[str, Any]) -> list[jax_core.Jaxpr]:
    found = [getattr(value, "jaxpr", value) for value in params.values()]
    return [value for value in found if isinstance(value, jax_core.Jaxpr)]


def _dot(equation: jax_core.JaxprEqn) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = _shape(equation.invars[0])
    return 2.0 * _size(equation) * math.prod(shape[axis] for axis in contracted)


def _convolution(equation: jax_core.JaxprEqn) -> float:
    """Counts the taps that meet an input element, not those on padding."""
    params = equation.params
    numbers = params["dimension_numbers"]
    left, kernel = (_shape(variable) for variable in equation.invars)
    out = _shape(equation.outvars[0])
    # Clips, output features, and the input features of one group.
    total = 2.0 * out[numbers.out_spec[0]] * out[numbers.out_spec[1]]
    total *= kernel[numbers.rhs_spec[1]]
    for axis, padding in enumerate(params["padding"]):
        window = convolutions.Window(
            size=kernel[numbers.rhs_spec[2 + axis]],
            stride=params["window_strides"][axis],
            pad=padding[0],
            lhs_dilate=params["lhs_dilation"][axis],
            rhs_dilate=params["rhs_dilation"][axis],
        )
        total *= window.taps(
            left[numbers.lhs_spec[2 + axis]], out[numbers.out_spec[2 + axis]]
        )
    return total


def _size(equation: jax_core.JaxprEqn) -> int:
    return math.prod(_shape(equation.outvars[0]))


def _shape(variable: Variable) -> tuple[int, ...]:
    return variable.aval.shape
