"""Reads the text of a compiled HLO module: computations, instructions, loop counts.

XLA's own cost analysis counts the body of a loop once. Here every computation knows how
often it runs: the product of the trip counts of the loops around it.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator

_BYTES = {
    "pred": 1,
    "s8": 1,
    "u8": 1,
    "s16": 2,
    "u16": 2,
    "bf16": 2,
    "f16": 2,
    "s32": 4,
    "u32": 4,
    "f32": 4,
    "s64": 8,
    "u64": 8,
    "f64": 8,
    "c64": 8,
}
_SHAPE = re.compile(r"(\w+)\[([\d,]*)\](\{[^}]*\})?")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^(?:ROOT )?%?([\w.\-]+) = (.*)$")
_OPCODE = re.compile(r"^((?:\([^=]*?\)|[\w\[\],]+(?:\{[^}]*\})?)) ([\w\-]+)\((.*)$")
_CALLED = re.compile(
    r"(?:calls|to_apply|body|condition|branch_computations|called_computations)="
    r"(\{[^}]*\}|%?[\w.\-]+)"
)
_TRIPS = re.compile(r'known_trip_count[^\d]*"n":"(\d+)"')
ON_CHIP = "S(1)"
"""Marks a value that lives in the chip's fast memory."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """One array: element type, lengths, and whether it lies in main memory."""

    dtype: str
    dims: tuple[int, ...]
    in_memory: bool = True

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.dims)

    @property
    def bytes(self) -> int:
        """Bytes, without padding."""
        return self.size * _BYTES.get(self.dtype, 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Instruction:
    """One line: `name = shapes opcode(operands), attributes`."""

    name: str
    shapes: tuple[Shape, ...]
    opcode: str
    operands: tuple[str, ...]
    attributes: str
    literal: str
    root: bool

    @property
    def bytes(self) -> int:
        """Bytes of all its outputs."""
        return sum(shape.bytes for shape in self.shapes)

    def called(self, *kinds: str) -> list[str]:
        """Returns the computations that it names, or those of some attributes."""
        found = []
        for match in _CALLED.finditer(self.attributes):
            if not kinds or match.group(0).split("=")[0] in kinds:
                found += re.findall(r"[\w.\-]+", match.group(1))
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Computation:
    """A list of instructions, by name."""

    name: str
    entry: bool
    instructions: dict[str, Instruction]

    @property
    def root(self) -> Instruction:
        """What it returns."""
        rows = list(self.instructions.values())
        return next((row for row in rows if row.root), rows[-1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Module:
    """A compiled program."""

    computations: dict[str, Computation]

    @functools.cached_property
    def runs(self) -> dict[str, int]:
        """How often each computation runs, fusions' insides included."""
        counts: dict[str, int] = {}
        entry = next(x for x in self.computations.values() if x.entry)
        self._count(entry, 1, counts)
        return counts

    def executed(self) -> Iterator[tuple[Computation, int]]:
        """Yields each computation that runs, with how often."""
        for name, count in self.runs.items():
            yield self.computations[name], count

    def _count(
        self, computation: Computation, times: int, counts: dict[str, int]
    ) -> None:
        counts[computation.name] = counts.get(computation.name, 0) + times
        for row in computation.instructions.values():
            inner = times * (
                self.trips(computation, row) if row.opcode == "while" else 1
            )
            for name in row.called():
                if name in self.computations:
                    self._count(self.computations[name], inner, counts)

    def trips(self, computation: Computation, loop: Instruction) -> int:
        """Returns how often a loop runs: what XLA noted, or what its test says.

        The test of a counted loop compares an element of the loop's state, which grows
        by a constant, with another. Loops that are not counted pass for one turn.
        """
        if known := _TRIPS.search(loop.attributes):
            return int(known.group(1))
        test = self.computations[loop.called("condition")[0]]
        limit, index = _limit(test), _counter(test)
        if limit is None:
            return 1
        start = self._start(computation, loop, index)
        step = self._step(self.computations[loop.called("body")[0]], index)
        return max(1, -(-(limit - start) // step))

    def _step(self, body: Computation, index: int) -> int:
        """Returns what a turn adds to a loop's counter; 1 where it cannot be told."""
        root = body.root
        if root.opcode != "tuple" or not 0 <= index < len(root.operands):
            return 1
        return max(1, self._added(body, root.operands[index]))

    def _added(self, body: Computation, name: str) -> int:
        """Returns the constants that are added on the way to a value."""
        row = body.instructions.get(name)
        if row is None or row.opcode != "add":
            return 0
        values = [_integer(body.instructions.get(x)) for x in row.operands]
        known = sum(x for x in values if x is not None)
        unknown = (x for x, v in zip(row.operands, values, strict=True) if v is None)
        return known + sum(self._added(body, x) for x in unknown)

    def _start(self, computation: Computation, loop: Instruction, index: int) -> int:
        """Returns the first value of a loop's counter; 0 where it is not a constant."""
        state = computation.instructions.get(loop.operands[0])
        if state is None or state.opcode != "tuple" or index >= len(state.operands):
            return 0
        first = computation.instructions.get(state.operands[index])
        return _integer(first) or 0


def parse(text: str) -> Module:
    """Reads the text of `compiled.as_text()`."""
    computations: dict[str, Computation] = {}
    current: Computation | None = None
    for line in re.sub(r"/\*.*?\*/", "", text).splitlines():
        if match := _COMPUTATION.match(line):
            current = Computation(
                name=match.group(2), entry=bool(match.group(1)), instructions={}
            )
            computations[current.name] = current
        elif current is not None and (row := _instruction(line.strip())):
            current.instructions[row.name] = row
    return Module(computations=computations)


def _instruction(line: str) -> Instruction | None:
    named = _INSTRUCTION.match(line)
    parts = _OPCODE.match(named.group(2)) if named else None
    if named is None or parts is None:
        return None
    inside, attributes = _arguments(parts.group(3))
    return Instruction(
        name=named.group(1),
        shapes=tuple(_shapes(parts.group(1))),
        opcode=parts.group(2),
        operands=tuple(re.findall(r"%([\w.\-]+)", inside)),
        attributes=attributes,
        literal=inside,
        root=line.startswith("ROOT"),
    )


def _arguments(text: str) -> tuple[str, str]:
    """Splits `a, b), attributes` at the bracket that closes the arguments."""
    depth = 1
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[:place], text[place + 1 :]
    return text, ""


def _shapes(text: str) -> Iterator[Shape]:
    for match in _SHAPE.finditer(text):
        dims = tuple(int(x) for x in match.group(2).split(",") if x)
        in_memory = ON_CHIP not in (match.group(3) or "")
        yield Shape(match.group(1), dims, in_memory)


def _limit(test: Computation) -> int | None:
    """Returns the number of turns that a counted loop's test allows from 0."""
    compare = _comparison(test)
    if compare is None:
        return None
    values = [_integer(test.instructions.get(x)) for x in compare.operands]
    found = next((x for x in values if x is not None), None)
    if found is None:
        return None
    return found + ("direction=LE" in compare.attributes)


def _counter(test: Computation) -> int:
    """Returns which element of the loop's state is compared; -1 for none."""
    compare = _comparison(test)
    for name in compare.operands if compare else ():
        row = test.instructions.get(name)
        if row is not None and row.opcode == "get-tuple-element":
            return int(row.attributes.split("index=")[1].split(",")[0])
    return -1


def _comparison(test: Computation) -> Instruction | None:
    root = test.root
    return root if root.opcode == "compare" else None


def _integer(row: Instruction | None) -> int | None:
    if row is None or row.opcode != "constant" or not row.literal.lstrip("-").isdigit():
        return None
    return int(row.literal)
