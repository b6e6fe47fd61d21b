"""Published policies, restored from checkpoints and verified."""

import collections

import jax
from jaxtyping import PyTree

from musicrl_jax.acting import loop
from musicrl_jax.checkpoints import reader
from musicrl_jax.core import arrays
from musicrl_jax.transport import publications
from musicrl_jax.transport import store as stores

MOST_READS = 3


class PublishedPolicies:
    """The newest publication whose weights are what was published.

    One that cannot be read, or whose digest differs, is passed over for the one before;
    after `MOST_READS` such readings it is looked at no more.
    """

    def __init__(
        self, store: stores.Store, run_dir: str, theta_0: arrays.Params
    ) -> None:
        self._store = store
        self._reader = reader.CheckpointReader(run_dir)
        self._abstract = abstract_tree(theta_0)
        self._failures: collections.Counter[tuple[int, int]] = collections.Counter()

    def newer_than(self, current: loop.Weights | None) -> loop.Weights | None:
        """Returns the newest verified weights; None where `current` are they."""
        for publication in publications.newest_first(self._store):
            if current is not None and _order(publication) <= _order(
                current.publication
            ):
                return None
            params = self._restore(publication)
            if params is not None:
                return loop.Weights(params=params, publication=publication)
        return None

    def newest_step(self) -> int:
        """Returns the step of the newest publication, unverified; -1 for none."""
        newest = next(publications.newest_first(self._store), None)
        return -1 if newest is None else newest.step

    def at_step(self, step: int) -> loop.Weights | None:
        """Returns the verified weights published last as `step`, None for none."""
        for publication in publications.newest_first(self._store):
            if publication.step == step:
                params = self._restore(publication)
                if params is not None:
                    return loop.Weights(params=params, publication=publication)
        return None

    def _restore(self, publication: publications.Publication) -> arrays.Params | None:
        if self._failures[_order(publication)] >= MOST_READS:
            return None
        identity = reader.CheckpointId(
            epoch=publication.checkpoint_epoch, step=publication.step
        )
        try:
            return self._reader.restore_policy(
                identity, publication.policy, self._abstract
            )
        except reader.DamagedCheckpointError:
            self._failures[_order(publication)] += 1
            return None


def abstract_tree(tree: PyTree) -> PyTree:
    """Returns shapes, dtypes and places of the leaves."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=leaf.sharding
        ),
        tree,
    )


def _order(publication: publications.Publication) -> tuple[int, int]:
    return publication.epoch, publication.step
