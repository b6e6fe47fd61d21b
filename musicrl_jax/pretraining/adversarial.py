"""The adversarial step: a generator and its discriminators, one update of each.

It satisfies `objective.TrainingStep`, so `loop.train_with` drives it. One pass through
the discriminators serves both sides: their own loss is differentiated with respect to
their parameters, what they find in the output with respect to the output.
"""

import dataclasses
import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int, Key

from musicrl_jax.core import arrays, rng, sharding
from musicrl_jax.core.struct import struct
from musicrl_jax.pretraining import (
    adversarial_config,
    adversarial_objective,
    balancer,
)
from musicrl_jax.pretraining import config as config_lib
from musicrl_jax.pretraining import objective as objective_lib


@struct
class AdversarialState:
    """All that a run changes; a checkpoint is exactly this tree.

    Attributes:
      step: updates done.
      params: float32 parameters of the generator.
      averaged: their exponential moving average, or `{}`.
      statistics: arrays outside the optimizers (codebooks).
      optimizer: optax state of the generator.
      discriminator: float32 parameters of the discriminators.
      discriminator_optimizer: their optax state.
      balance: average gradient norms, in the order of the losses' names.
      skipped: updates left out because a gradient was not finite.
    """

    step: Int[Array, ""]
    params: arrays.Params
    averaged: arrays.Params
    statistics: arrays.Params
    optimizer: Any
    discriminator: arrays.Params
    discriminator_optimizer: Any
    balance: balancer.Balance
    skipped: Int[Array, ""]


@struct
class _Judged:
    """What the discriminators say: losses, and gradients of them."""

    loss: Float[Array, ""]
    found: dict[str, Float[Array, ""]]
    gradients: arrays.Params
    output_gradients: dict[str, Float[Array, "b n"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialStep:
    """The static parts of an adversarial step; the state goes in and comes out."""

    objective: adversarial_objective.AdversarialObjective
    config: config_lib.PretrainConfig
    adversarial: adversarial_config.AdversarialConfig
    mesh: Mesh

    @functools.partial(jax.jit, static_argnames="self")
    def init(self, root: Key[Array, ""]) -> AdversarialState:
        """Returns the state before the first step, laid out on the mesh."""
        made = self.objective.init(rng.stream(root, "init"))
        params, discriminator, statistics = made
        state = AdversarialState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            averaged=params if self.config.average_decay else {},
            statistics=statistics,
            optimizer=self._optimizer(self.config).init(params),
            discriminator=discriminator,
            discriminator_optimizer=self._judges_optimizer().init(discriminator),
            balance=balancer.init(len(self.objective.weights)),
            skipped=jnp.zeros((), jnp.int32),
        )
        return self._laid_out(state)

    @functools.partial(jax.jit, static_argnames="self", donate_argnames="state")
    def __call__(
        self, state: AdversarialState, batch: objective_lib.Batch, root: Key[Array, ""]
    ) -> tuple[AdversarialState, objective_lib.Metrics]:
        """Updates both; a step with a gradient that is not finite changes nothing."""
        (output, penalty), pull, (statistics, metrics) = jax.vjp(
            lambda params: self.objective.reconstruct(
                self._cast(params),
                state.statistics,
                batch,
                rng.stream(root, "loss", state.step),
            ),
            state.params,
            has_aux=True,
        )
        active = state.step >= self.adversarial.discriminator_start
        judged = self._judged(state.discriminator, output, batch, active)
        losses, slopes = self._distances(output, batch)
        slopes |= judged.output_gradients
        awake = [active if name in judged.found else True for name in sorted(slopes)]
        gradient, balance = self._balanced(
            state.balance, slopes, jnp.stack(awake).astype(jnp.float32)
        )
        (gradients,) = pull((gradient.astype(output.dtype), jnp.ones_like(penalty)))
        proposed = self._proposed(state, gradients, judged, active)
        proposed = dataclasses.replace(proposed, statistics=statistics, balance=balance)
        norms = [optax.tree.norm(gradients), optax.tree.norm(judged.gradients)]
        finite = jnp.isfinite(jnp.stack([*norms, *losses.values()])).all()
        moved = dataclasses.replace(
            _chosen(finite, proposed, state),
            step=state.step + 1,
            skipped=state.skipped + jnp.where(finite, 0, 1),
        )
        scalars = {f"loss/{k}": x for k, x in (losses | judged.found).items()} | {
            "loss/discriminator": judged.loss,
            "gradient/norm": norms[0],
            "gradient/discriminator_norm": norms[1],
            "gradient/skipped": moved.skipped.astype(jnp.float32),
            "learning_rate": config_lib.make_schedule(self.config)(state.step),
        }
        return self._laid_out(moved), dict(metrics) | scalars

    def _judged(
        self,
        discriminator: arrays.Params,
        output: Float[Array, "b n"],
        batch: objective_lib.Batch,
        active: Bool[Array, ""],
    ) -> _Judged:
        """Asks the discriminators where they are active; else all is zero."""

        def ask() -> _Judged:
            (loss, found), pull = jax.vjp(
                lambda judges, heard: self.objective.judge(
                    self._cast(judges), heard, batch
                ),
                discriminator,
                output,
            )
            nothing = jax.tree.map(jnp.zeros_like, (loss, found))
            gradients, _ = pull((jnp.ones_like(loss), nothing[1]))
            slopes = {
                name: pull((nothing[0], nothing[1] | {name: jnp.ones_like(value)}))[1]
                for name, value in found.items()
            }
            return _Judged(
                loss=loss,
                found=dict(found),
                gradients=gradients,
                output_gradients=slopes,
            )

        silent = jax.eval_shape(ask)
        return jax.lax.cond(
            active,
            ask,
            lambda: jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), silent),
        )

    def _distances(
        self, output: Float[Array, "b n"], batch: objective_lib.Batch
    ) -> tuple[dict[str, Array], dict[str, Float[Array, "b n"]]]:
        """Returns the distances and the gradient of each at the output."""
        losses, pull = jax.vjp(
            lambda heard: dict(self.objective.distances(heard, batch)), output
        )
        nothing = jax.tree.map(jnp.zeros_like, losses)
        slopes = {
            name: pull(nothing | {name: jnp.ones_like(value)})[0]
            for name, value in losses.items()
        }
        return losses, slopes

    def _balanced(
        self,
        balance: balancer.Balance,
        slopes: dict[str, Float[Array, "b n"]],
        awake: Float[Array, " losses"],
    ) -> tuple[Float[Array, "b n"], balancer.Balance]:
        """Returns the gradient at the output; losses asleep (0) take no part."""
        weights, names = self.objective.weights, sorted(slopes)
        gradient, after = balancer.balance(
            balance,
            jnp.stack([slopes[name] for name in names]).astype(jnp.float32),
            awake * jnp.asarray([weights[name] for name in names]),
            self.adversarial.balance_decay,
        )
        return self.adversarial.gradient_scale * gradient, after

    def _proposed(
        self,
        state: AdversarialState,
        gradients: arrays.Params,
        judged: _Judged,
        active: Bool[Array, ""],
    ) -> AdversarialState:
        """Returns the state after updates of both sides."""
        params, optimizer = _stepped(
            self._optimizer(self.config), gradients, state.optimizer, state.params
        )
        stepped = _stepped(
            self._judges_optimizer(),
            judged.gradients,
            state.discriminator_optimizer,
            state.discriminator,
        )
        judges = _chosen(
            active, stepped, (state.discriminator, state.discriminator_optimizer)
        )
        decay = self.config.average_decay
        averaged = state.averaged
        if decay:
            averaged = jax.tree.map(
                lambda old, new: decay * old + (1 - decay) * new, averaged, params
            )
        return dataclasses.replace(
            state,
            params=params,
            averaged=averaged,
            optimizer=optimizer,
            discriminator=judges[0],
            discriminator_optimizer=judges[1],
        )

    def _cast(self, params: arrays.Params) -> arrays.Params:
        dtype = jnp.dtype(self.config.compute_dtype)
        return jax.tree.map(lambda leaf: leaf.astype(dtype), params)

    def _judges_optimizer(self) -> optax.GradientTransformation:
        rate = self.adversarial.discriminator_learning_rate
        return self._optimizer(dataclasses.replace(self.config, learning_rate=rate))

    def _optimizer(
        self, config: config_lib.PretrainConfig
    ) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(config.clip_norm),
            optax.adamw(
                config_lib.make_schedule(config),
                b1=self.adversarial.beta1,
                b2=config.beta2,
                weight_decay=config.weight_decay,
                mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params),
            ),
        )

    def _laid_out(self, state: AdversarialState) -> AdversarialState:
        return jax.lax.with_sharding_constraint(
            state, sharding.tree_shardings(state, self.mesh)
        )


def trained_params(state: AdversarialState) -> arrays.Params:
    """Returns the generator to use: the averaged one where the run keeps it."""
    return state.averaged or state.params


def _stepped(
    optimizer: optax.GradientTransformation,
    gradients: arrays.Params,
    state: arrays.Tree,
    params: arrays.Params,
) -> tuple[arrays.Params, arrays.Tree]:
    """Returns parameters and optimizer state after an update."""
    updates, after = optimizer.update(gradients, state, params)
    return cast(arrays.Params, optax.apply_updates(params, updates)), after


def _chosen(holds: Bool[Array, ""], new: arrays.Tree, old: arrays.Tree) -> arrays.Tree:
    return jax.tree.map(lambda a, b: jnp.where(holds, a, b), new, old)
