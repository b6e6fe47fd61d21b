"""What a network must bring to be trained by `loop.train`."""

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Array, Float, Int, Key

from musicrl_jax.core import arrays

Batch = Mapping[str, Array]
"""Named arrays of one step; the first axis of each is examples (sharded)."""

Metrics = Mapping[str, Float[Array, ""]]
"""Named scalars of one step, under path names such as `loss/mel`."""


@runtime_checkable
class Objective(Protocol):
    """A network with its loss. Hashable: it is a static part of the compiled step."""

    def init(self, key: Key[Array, ""]) -> tuple[arrays.Params, arrays.Params]:
        """Returns fresh parameters and statistics.

        Statistics are arrays that the optimizer does not touch, such as codebooks that
        follow moving averages; `{}` for a network that has none.
        """
        ...

    def loss(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: Batch,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, ""], tuple[arrays.Params, Metrics]]:
        """Returns the scalar to minimise, the new statistics, and metrics.

        Means over examples must run over the whole first axis of the batch, so that
        the value does not depend on how many devices hold it. Under
        `PretrainConfig.accumulate` the batch is one part of the step's: a loss that is
        a mean with equal weights comes out the same, statistics move once a part.
        """
        ...


@runtime_checkable
class Coupled(Protocol):
    """An objective may say that its loss compares the examples of a batch.

    Contrastive losses do: in parts each example would meet fewer others, which is
    another loss, so such an objective is not trained with accumulation.
    """

    @property
    def couples_examples(self) -> bool:
        """Whether the loss of a batch is not the mean of its parts' losses."""
        ...


@runtime_checkable
class Batches(Protocol):
    """Training data as a pure function of the step, which makes a resume exact."""

    def batch(self, step: int) -> Mapping[str, np.ndarray]:
        """Returns the arrays of step `step`, always the same for the same number."""
        ...


@runtime_checkable
class State(Protocol):
    """A tree of arrays that a checkpoint holds whole."""

    @property
    def step(self) -> Int[Array, ""]:
        """Updates done."""
        ...


AnyState = TypeVar("AnyState", bound=State)


@runtime_checkable
class TrainingStep(Protocol[AnyState]):
    """One compiled update; `step.PretrainStep` is the one of most networks."""

    def init(self, root: Key[Array, ""]) -> AnyState:
        """Returns the state before the first step, laid out on the mesh."""
        ...

    def __call__(
        self, state: AnyState, batch: Batch, root: Key[Array, ""]
    ) -> tuple[AnyState, Metrics]:
        """Returns the state after one update, and its metrics; `state` is donated."""
        ...
