"""Supervised runs whose first state is not random."""

import dataclasses
from collections.abc import Callable
from typing import TypeVar, cast

import jax
import jax.numpy as jnp

from musicrl_jax.checkpoints import snapshots
from musicrl_jax.core import arrays
from musicrl_jax.pretraining import step

Begin = Callable[[arrays.Params, arrays.Params], tuple[arrays.Params, arrays.Params]]
"""(parameters, statistics) drawn at random -> the ones to begin with."""

Tree = TypeVar("Tree")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WarmStart:
    """Snapshots of a run that begins with `begin`'s parameters and statistics."""

    store: snapshots.TreeSnapshots
    begin: Begin

    def save(self, step: int, state: object) -> None:
        """Starts to write the state of `step`."""
        self.store.save(step, state)

    def wait(self) -> None:
        """Returns when every save is on disk."""
        self.store.wait()

    def restore_newest(self, like: Tree) -> Tree:
        """Returns the newest state, or the first one as `begin` wants it."""
        found = self.store.restore_newest(like)
        if found is not None:
            return found
        return cast(Tree, _begun(cast(step.PretrainState, like), self.begin))


def _begun(random: step.PretrainState, begin: Begin) -> step.PretrainState:
    params, statistics = begin(random.params, random.statistics)
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
