"""First states of supervised runs that are not random."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from musicrl_jax.core import arrays
from musicrl_jax.pretraining import step

Begin = Callable[[arrays.Params, arrays.Params], tuple[arrays.Params, arrays.Params]]
"""(parameters, statistics) drawn at random -> the ones to begin with."""


def begin(random: step.PretrainState, change: Begin) -> step.PretrainState:
    """Returns a run's first state with the parameters and statistics of `change`."""
    params, statistics = change(random.params, random.statistics)
    placed = _placed(params, random.params)
    return dataclasses.replace(
        random,
        params=placed,
        averaged=jax.tree.map(jnp.copy, placed) if random.averaged else {},
        statistics=_placed(statistics, random.statistics),
    )


def _placed(tree: arrays.Params, like: arrays.Params) -> arrays.Params:
    """Returns a copy of `tree`, laid out like `like`; a run gives its state away."""
    return jax.tree.map(
        lambda new, old: jax.device_put(jnp.copy(new), old.sharding), tree, like
    )
