"""FLOPs and memory traffic of a compiled program; loops count as often as they run."""

import math
import re

from musicrl_jax.planning import convolutions, hlo

FREE = frozenset(
    {
        "parameter",
        "constant",
        "tuple",
        "get-tuple-element",
        "bitcast",
        "while",
        "conditional",
        "call",
        "after-all",
        "partition-id",
        "replica-id",
        "iota",
        "copy-done",
        "async-start",
        "async-update",
        "async-done",
        "slice-done",
        "send-done",
        "recv-done",
    }
)
"""Opcodes that move nothing themselves."""

SLICES = frozenset({"slice", "dynamic-slice", "gather"})
"""Opcodes that read of their first operand only what they return."""

ATTENTION_PRODUCTS = {"fwd": 2, "dq": 3, "dkv": 4}
"""Products of queries' by keys' length that each phase of a splash kernel takes."""

FEWEST_AXES = 4
"""Queries, keys and values of several clips have them; what a mask hides has fewer."""

_SPLASH = re.compile(r"splash_m[hq]a_(fwd|dq|dkv)_")
_LABELS = re.compile(r"dim_labels=(\w+)_(\w+)->(\w+)")


def flops(module: hlo.Module) -> float:
    """Returns multiplications and additions of all matrix products, on one chip.

    A product of [m, k] and [k, n] counts 2 m k n. Elementwise work is left out: it is
    bound by memory, which `memory_bytes` counts. Splash attention counts as if its mask
    hid no block.
    """
    total = 0.0
    for computation, times in module.executed():
        for row in computation.instructions.values():
            if row.opcode == "dot":
                total += times * _dot(computation, row)
            elif row.opcode == "convolution":
                total += times * _convolution(computation, row)
            elif row.opcode == "custom-call":
                total += times * _attention(computation, row)
    return total


def _dot(computation: hlo.Computation, row: hlo.Instruction) -> float:
    left = _operand(computation, row, 0)
    match = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", row.attributes)
    axes = [int(x) for x in match.group(1).split(",") if x] if match else []
    contracted = math.prod(left.dims[axis] for axis in axes)
    return 2.0 * row.shapes[0].size * contracted


def _attention(computation: hlo.Computation, row: hlo.Instruction) -> float:
    """Counts the products of a splash kernel; 0 for other calls."""
    phase = _SPLASH.match(row.name)
    if phase is None:
        return 0.0
    shapes = [_operand(computation, row, i) for i in range(len(row.operands))]
    queries, keys = [x for x in shapes if len(x.dims) >= FEWEST_AXES][:2]
    return 2.0 * ATTENTION_PRODUCTS[phase.group(1)] * queries.size * keys.dims[-2]


def _convolution(computation: hlo.Computation, row: hlo.Instruction) -> float:
    """Counts the taps of each window that meet an input element.

    The TPU compiler writes products over batches as convolutions with dilated inputs,
    most of whose taps meet nothing.
    """
    labels = _LABELS.search(row.attributes)
    if labels is None:
        return 0.0
    left, kernel = _operand(computation, row, 0), _operand(computation, row, 1)
    spatial = sorted(x for x in labels.group(1) if x.isdigit())
    total = 2.0 * _length(row.shapes[0], labels.group(3), "b")
    total *= _length(row.shapes[0], labels.group(3), "f")
    # Input features of the kernel are those of one group.
    total *= _length(kernel, labels.group(2), "i")
    moves = convolutions.windows(row.attributes, len(spatial))
    for window, axis in zip(moves, spatial, strict=True):
        total *= window.taps(
            _length(left, labels.group(1), axis),
            _length(row.shapes[0], labels.group(3), axis),
        )
    return total


def _length(shape: hlo.Shape, labels: str, axis: str) -> int:
    return shape.dims[labels.index(axis)]


def _operand(
    computation: hlo.Computation, row: hlo.Instruction, number: int
) -> hlo.Shape:
    return computation.instructions[row.operands[number]].shapes[0]


def memory_bytes(module: hlo.Module) -> float:
    """Returns bytes read from and written to main memory, on one chip.

    Each instruction outside of fusions reads its operands and writes its output, but
    for what stays in fast memory; a slice of a large array costs the slice.
    """
    fused = {
        name
        for computation in module.computations.values()
        for row in computation.instructions.values()
        if row.opcode == "fusion"
        for name in row.called("calls")
    }
    total = 0.0
    for computation, times in module.executed():
        if computation.name in fused:
            continue
        for row in computation.instructions.values():
            if row.opcode not in FREE:
                total += times * _moved(module, computation, row)
    return total


def _moved(
    module: hlo.Module, computation: hlo.Computation, row: hlo.Instruction
) -> float:
    if row.opcode == "slice-start":
        whole, part = row.shapes[:2]
        return float(part.bytes * (whole.in_memory + part.in_memory))
    if row.opcode in ("send", "recv"):  # The array, and what tells that it is done.
        return float(row.shapes[0].bytes)
    if row.opcode == "copy-start":  # Its shapes are the copy, the original and a flag.
        return float(sum(shape.bytes for shape in row.shapes[:2] if shape.in_memory))
    inner = row.called("calls") if row.opcode == "fusion" else []
    body = module.computations.get(inner[0]) if inner else None
    read = 0.0
    for number, name in enumerate(row.operands):
        source = computation.instructions.get(name)
        if source is None:
            continue
        whole = sum(x.bytes for x in source.shapes if x.in_memory)
        sliced = _sliced(module, body, number) if body else _sliced_by(row, number)
        read += whole if sliced is None else min(whole, sliced)
    written = sum(x.bytes for x in row.shapes if x.in_memory)
    if (update := _updated(body, row)) is not None:
        written = min(written, update)
    return read + written


def _sliced(module: hlo.Module, body: hlo.Computation, number: int) -> float | None:
    """Returns what a fusion reads of an operand of which it takes only slices.

    Fusions within it may be those that slice.
    """
    parameter = next(
        (
            row
            for row in body.instructions.values()
            if row.opcode == "parameter" and row.literal.strip() == str(number)
        ),
        None,
    )
    if parameter is None:
        return None
    users = [x for x in body.instructions.values() if parameter.name in x.operands]
    if not users:
        return None
    read = 0.0
    for user in users:
        place = user.operands.index(parameter.name)
        if user.opcode in SLICES and place == 0:
            read += user.bytes
        elif user.opcode == "dynamic-update-slice" and place == 0:
            continue  # Written in place.
        elif (inner := _sliced_inside(module, user, parameter.name)) is not None:
            read += inner
        else:
            return None
    return read


def _sliced_inside(
    module: hlo.Module, fusion: hlo.Instruction, operand: str
) -> float | None:
    """Returns what a fusion within a fusion reads of an operand that it slices."""
    if fusion.opcode != "fusion":
        return None
    body = module.computations[fusion.called("calls")[0]]
    places = [i for i, name in enumerate(fusion.operands) if name == operand]
    parts = [_sliced(module, body, place) for place in places]
    found = [part for part in parts if part is not None]
    return sum(found) if len(found) == len(parts) else None


def _sliced_by(row: hlo.Instruction, number: int) -> float | None:
    if row.opcode in SLICES and number == 0:
        return float(row.bytes)
    if row.opcode == "dynamic-update-slice" and number == 0:
        return 0.0
    return None


def _updated(body: hlo.Computation | None, row: hlo.Instruction) -> float | None:
    """Returns the bytes that an update in place writes."""
    if row.opcode == "dynamic-update-slice" or body is None:
        return None
    root = body.root
    if root.opcode != "dynamic-update-slice":
        return None
    update = body.instructions.get(root.operands[1])
    return None if update is None else float(update.bytes)
