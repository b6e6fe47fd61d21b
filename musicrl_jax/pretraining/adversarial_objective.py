"""What a generator must bring to be trained against discriminators."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays
from musicrl_jax.pretraining import objective as objective_lib


@runtime_checkable
class AdversarialObjective(Protocol):
    """A generator of waveforms with its losses. Hashable: static in the step."""

    @property
    def weights(self) -> Mapping[str, float]:
        """The share of every loss of `distances` and `judge` in the gradient."""
        ...

    def init(
        self, key: Key[Array, ""]
    ) -> tuple[arrays.Params, arrays.Params, arrays.Params]:
        """Returns parameters of generator and discriminators, and statistics."""
        ...

    def reconstruct(
        self,
        params: arrays.Params,
        statistics: arrays.Params,
        batch: objective_lib.Batch,
        key: Key[Array, ""],
    ) -> tuple[
        tuple[Float[Array, "b n"], Float[Array, ""]],
        tuple[arrays.Params, objective_lib.Metrics],
    ]:
        """Returns (output, a penalty to minimise too), (new statistics, metrics)."""
        ...

    def distances(
        self, output: Float[Array, "b n"], batch: objective_lib.Batch
    ) -> Mapping[str, Float[Array, ""]]:
        """Returns losses of the output that need no discriminator."""
        ...

    def judge(
        self,
        discriminator: arrays.Params,
        output: Float[Array, "b n"],
        batch: objective_lib.Batch,
    ) -> tuple[Float[Array, ""], Mapping[str, Float[Array, ""]]]:
        """Returns the discriminators' loss, and the output's losses by their doing."""
        ...
