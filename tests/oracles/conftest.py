"""Fixtures of the oracles."""

import jax
import pytest


@pytest.fixture
def float64():
    """Double precision inside a test: closed forms are then met to rounding."""
    with jax.enable_x64(True):
        yield
