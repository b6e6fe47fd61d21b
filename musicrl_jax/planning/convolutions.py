"""The multiplications of a convolution that meet an input element.

Taps on padding, and between the elements of a dilated input, meet none.
"""

import dataclasses
import re

import numpy as np

_WINDOW = re.compile(r"window=\{([^}]*)\}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """How a kernel moves along one axis.

    Attributes:
      size: taps.
      stride: places from one output to the next.
      pad: places before the input's first element; may be negative.
      lhs_dilate: places from one element of the input to the next.
      rhs_dilate: places from one tap to the next.
    """

    size: int = 1
    stride: int = 1
    pad: int = 0
    lhs_dilate: int = 1
    rhs_dilate: int = 1

    def taps(self, inputs: int, outputs: int) -> int:
        """Returns pairs (output place, tap) that meet one of so many elements."""
        place = np.arange(outputs)[:, None] * self.stride - self.pad
        place = place + np.arange(self.size)[None] * self.rhs_dilate
        inside = (place >= 0) & (place <= (inputs - 1) * self.lhs_dilate)
        return int(np.count_nonzero(inside & (place % self.lhs_dilate == 0)))


def windows(attributes: str, axes: int) -> list[Window]:
    """Returns the window of each spatial axis from `window={...}` of an HLO line."""
    names = {field.name for field in dataclasses.fields(Window)}
    found: list[dict[str, int]] = [{} for _ in range(axes)]
    match = _WINDOW.search(attributes)
    for field in match.group(1).split() if match else ():
        name, values = field.split("=")
        if name in names:
            for axis, value in zip(found, values.split("x"), strict=True):
                axis[name] = int(value.split("_")[0])
    return [Window(**axis) for axis in found]
