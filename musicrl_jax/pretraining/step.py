"""The supervised step: gradient, clipping, AdamW, moving averages; sharded."""

import dataclasses
import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Int, Key

from musicrl_jax.core import arrays, errors, rng, sharding
from musicrl_jax.core.struct import struct
from musicrl_jax.pretraining import accumulation
from musicrl_jax.pretraining import config as config_lib
from musicrl_jax.pretraining import objective as objective_lib


@struct
class PretrainState:
    """All that a run changes; a checkpoint is exactly this tree.

    Attributes:
      step: updates done.
      params: float32 parameters.
      averaged: their exponential moving average, or `{}`.
      statistics: arrays outside the optimizer (codebooks).
      optimizer: optax state.
      skipped: updates left out because their gradient was not finite.
    """

    step: Int[Array, ""]
    params: arrays.Params
    averaged: arrays.Params
    statistics: arrays.Params
    optimizer: Any
    skipped: Int[Array, ""]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainStep:
    """The static parts of a supervised step; the state goes in and comes out.

    Raises:
      InputError: for accumulation with an objective that couples examples.
    """

    objective: objective_lib.Objective
    config: config_lib.PretrainConfig
    mesh: Mesh

    def __post_init__(self) -> None:
        couples = (
            isinstance(self.objective, objective_lib.Coupled)
            and self.objective.couples_examples
        )
        if couples and self.config.accumulate > 1:
            raise errors.InputError(
                f"{type(self.objective).__name__} compares the examples of a batch, so "
                "it cannot be computed in parts; got accumulate="
                f"{self.config.accumulate}. Set PretrainConfig.accumulate to 1."
            )

    @functools.partial(jax.jit, static_argnames="self")
    def init(self, root: Key[Array, ""]) -> PretrainState:
        """Returns the state before the first step, laid out on the mesh."""
        with sharding.on(self.mesh):
            params, statistics = self.objective.init(rng.stream(root, "init"))
        state = PretrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            averaged=params if self.config.average_decay else {},
            statistics=statistics,
            optimizer=self._optimizer().init(params),
            skipped=jnp.zeros((), jnp.int32),
        )
        return self._laid_out(state)

    @functools.partial(jax.jit, static_argnames="self", donate_argnames="state")
    def __call__(
        self, state: PretrainState, batch: objective_lib.Batch, root: Key[Array, ""]
    ) -> tuple[PretrainState, objective_lib.Metrics]:
        """Does one update; a step whose gradient is not finite changes nothing."""
        key = rng.stream(root, "loss", state.step)
        with sharding.on(self.mesh):
            found = accumulation.gradient_of(
                self._loss,
                state.params,
                state.statistics,
                batch,
                key,
                self.config.accumulate,
            )
        norm = optax.tree.norm(found.gradients)
        finite = jnp.isfinite(norm) & jnp.isfinite(found.loss)
        proposed = self._proposed(state, found.gradients, found.statistics)
        kept = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old), proposed, state
        )
        moved = dataclasses.replace(
            kept,
            step=state.step + 1,
            skipped=state.skipped + jnp.where(finite, 0, 1),
        )
        scalars = found.metrics | {
            "loss": found.loss,
            "gradient/norm": norm,
            "gradient/skipped": moved.skipped.astype(jnp.float32),
            "learning_rate": config_lib.make_schedule(self.config)(state.step),
        }
        return self._laid_out(moved), scalars

    def _proposed(
        self, state: PretrainState, gradients: arrays.Params, statistics: arrays.Params
    ) -> PretrainState:
        """Returns the state after an update whose gradient is finite."""
        updates, optimizer = self._optimizer().update(
            gradients, state.optimizer, state.params
        )
        params = cast(arrays.Params, optax.apply_updates(state.params, updates))
        return dataclasses.replace(
            state,
            params=params,
            averaged=self._average(state.averaged, params),
            statistics=statistics,
            optimizer=optimizer,
        )

    def _loss(self, params: arrays.Params, *rest: arrays.Tree) -> arrays.Tree:
        dtype = jnp.dtype(self.config.compute_dtype)
        cast = jax.tree.map(
            lambda leaf: leaf.astype(dtype) if leaf.dtype == jnp.float32 else leaf,
            params,
        )
        loss, (statistics, metrics) = self.objective.loss(cast, *rest)
        return loss.astype(jnp.float32), (statistics, metrics)

    def _average(self, averaged: arrays.Params, params: arrays.Params) -> arrays.Params:
        decay = self.config.average_decay
        if not decay:
            return averaged
        return jax.tree.map(
            lambda old, new: decay * old + (1 - decay) * new, averaged, params
        )

    def _optimizer(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(self.config.clip_norm),
            optax.adamw(
                config_lib.make_schedule(self.config),
                b2=self.config.beta2,
                weight_decay=self.config.weight_decay,
                mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params),
            ),
        )

    def _laid_out(self, state: PretrainState) -> PretrainState:
        return jax.lax.with_sharding_constraint(
            state, sharding.tree_shardings(state, self.mesh)
        )


def trained_params(state: PretrainState) -> arrays.Params:
    """Returns the parameters to use: the averaged ones where the run keeps them."""
    return state.averaged or state.params
