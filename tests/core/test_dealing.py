"""Clips of networks without parameters stay where they are."""

import numpy as np

from musicrl_jax.core import dealing


def test_a_network_without_parameters_is_on_no_mesh():
    assert dealing.mesh_of({}) is None
    rows = np.zeros((3, 2))
    assert dealing.beside({}, rows) is rows
