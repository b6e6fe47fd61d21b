"""Arrays kept in a file instead of in memory, for a corpus larger than that."""

import math
import pathlib
import tempfile

import numpy as np
from jaxtyping import Shaped


class MappedArrays:
    """Takes arrays of one dtype one by one and gives them back memory-mapped.

    They lie in a file without a name in the folder for temporary files (`TMPDIR`): the
    system brings in what is read, may drop it again, and removes the file when nobody
    uses the arrays any more. Used in a `with`; the arrays outlive it.
    """

    def __init__(self, dtype: type, folder: pathlib.Path | None = None) -> None:
        """Makes the file, in `folder` or where temporary files go.

        Raises:
          OSError: it cannot be made.
        """
        self._dtype = np.dtype(dtype)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - mapped below
        self._shapes: list[tuple[int, ...]] = []

    def __enter__(self) -> "MappedArrays":
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file; arrays that were given out keep it."""
        self._file.close()

    def append(self, array: Shaped[np.ndarray, "..."]) -> None:
        """Writes an array of the dtype.

        Raises:
          OSError: there is no room for it.
        """
        self._file.write(np.ascontiguousarray(array, self._dtype).data)
        self._shapes.append(array.shape)

    def arrays(self) -> list[Shaped[np.ndarray, "..."]]:
        """Returns the arrays in their order, read-only; nothing may be added after."""
        self._file.flush()
        ends = np.cumsum([0, *map(math.prod, self._shapes)])
        if not ends[-1]:
            return [np.zeros(shape, self._dtype) for shape in self._shapes]
        flat = np.asarray(np.memmap(self._file, self._dtype, mode="r"))
        return [
            flat[start:end].reshape(shape)
            for start, end, shape in zip(ends, ends[1:], self._shapes, strict=False)
        ]
