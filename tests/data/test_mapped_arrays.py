"""Arrays in a file: the same as they were, without a name and outside memory."""

import mmap

import numpy as np
import pytest

from musicrl_jax.data import mapped_arrays

SHAPES = ((3, 4), (0, 4), (1, 4), (7, 4))


def _owner(array):
    """Returns what holds an array's memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array


def test_arrays_come_back_as_they_were_and_lie_in_a_file(tmp_path):
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=shape).astype(np.float16) for shape in SHAPES]
    with mapped_arrays.MappedArrays(np.float16, tmp_path) as store:
        for array in arrays:
            store.append(array)
        found = store.arrays()
    for one, other in zip(found, arrays, strict=True):
        assert one.dtype == np.float16
        np.testing.assert_array_equal(one, other)
    assert isinstance(_owner(found[0]), mmap.mmap)
    assert _owner(found[0]) is _owner(found[-1])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="read-only"):
        found[0][0, 0] = 1


def test_no_arrays_and_empty_ones():
    with mapped_arrays.MappedArrays(np.float16) as store:
        assert store.arrays() == []
        store.append(np.zeros((0, 4), np.float16))
        assert [array.shape for array in store.arrays()] == [(0, 4)]
