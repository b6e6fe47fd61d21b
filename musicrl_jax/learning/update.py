"""One update of KL-REINFORCE: the algorithm of section 3.2 on one screen."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from musicrl_jax.core import arrays, protocols, sharding, trajectory
from musicrl_jax.learning import (
    accumulation,
    gradients,
    losses,
    metrics,
    optimizers,
    returns,
)
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import state as states

Result = tuple[states.LearnerState, metrics.Metrics]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Update:
    """Maps a learner's state and a batch to the next state and its metrics.

    The state's buffers are given away. A batch whose gradients are not finite moves
    nothing and is counted in `LearnerState.skipped`.

    Attributes:
      policy: the network whose parameters `state.policy` and `.reference` are.
      value: the network of `state.value`; its values do not see the token they judge.
      config: the numbers.
      mesh: where state and batch lie; None for a single device.
    """

    policy: protocols.Policy
    value: protocols.ValueFunction
    config: configs.LearnerConfig
    mesh: sharding.AnyMesh | None = None

    @functools.partial(jax.jit, static_argnames="self", donate_argnames="state")
    def __call__(
        self, state: states.LearnerState, batch: trajectory.TrajectoryBatch
    ) -> Result:
        """Moves policy and value by one gradient each; the reference stays."""
        with sharding.on(self.mesh):
            return self._update(state, batch)

    @functools.partial(jax.jit, static_argnames="self", donate_argnames="state")
    def warm_up(
        self, state: states.LearnerState, batch: trajectory.TrajectoryBatch
    ) -> Result:
        """Moves the value alone, on samples of the policy before its first step.

        There the policy is the reference, so the returns of both KL modes are R.
        """
        with sharding.on(self.mesh):
            return self._warm_up(state, batch)

    def _update(
        self, state: states.LearnerState, batch: trajectory.TrajectoryBatch
    ) -> Result:
        batch = self._lay_batch(batch)
        group = returns.leave_one_out(batch.rewards, batch.conditioning)
        (policy_grad, value_grad), (terms, baseline) = accumulation.accumulate(
            functools.partial(self._gradients, state),
            (batch, group),
            self.config.microbatches,
        )
        new_policy, policy_optimizer = optimizers.step(
            optimizers.policy_optimizer(self.config),
            policy_grad,
            state.policy,
            state.policy_optimizer,
        )
        moved = dataclasses.replace(
            self._move_value(state, value_grad),
            policy=new_policy,
            policy_optimizer=policy_optimizer,
        )
        return self._finish(
            state,
            moved,
            metrics.gradient_metrics(policy=policy_grad, value=value_grad)
            | metrics.policy_metrics(terms, batch, self.policy.layout)
            | metrics.baseline_metrics(baseline, terms.returns),
        )

    def _warm_up(
        self, state: states.LearnerState, batch: trajectory.TrajectoryBatch
    ) -> Result:
        batch = self._lay_batch(batch)
        target = _per_token(batch.rewards, batch)
        value_grad, values = accumulation.accumulate(
            functools.partial(self._value_gradient, state.value),
            (batch, target),
            self.config.microbatches,
        )
        return self._finish(
            state,
            self._move_value(state, value_grad),
            metrics.gradient_metrics(value=value_grad)
            | metrics.baseline_metrics(values, target),
        )

    def _gradients(
        self,
        state: states.LearnerState,
        inputs: tuple[trajectory.TrajectoryBatch, Float[Array, " b"]],
    ) -> tuple[
        tuple[arrays.Params, arrays.Params],
        tuple[gradients.CreditedTerms, Float[Array, "b f q"]],
    ]:
        """Returns the gradients of policy and value; the terms and the baseline."""
        batch, group = inputs
        policy_gradient = gradients.PolicyGradient(
            policy=self.policy, config=self.config
        )
        if self.config.baseline == "leave_one_out":
            baseline = _per_token(group, batch)
            value_grad = jax.tree.map(jnp.zeros_like, state.value)
            policy_grad, terms = policy_gradient(
                state.policy, state.reference, batch, baseline
            )
        else:
            baseline, pull = self._values(state.value, batch)
            policy_grad, terms = policy_gradient(
                state.policy, state.reference, batch, baseline
            )
            (value_grad,) = pull(jax.grad(losses.value_loss)(baseline, terms.returns))
        return (policy_grad, value_grad), (terms, baseline)

    def _value_gradient(
        self,
        params: arrays.Params,
        inputs: tuple[trajectory.TrajectoryBatch, Float[Array, "b f q"]],
    ) -> tuple[arrays.Params, Float[Array, "b f q"]]:
        """Returns the gradient of the value loss, and the values."""
        batch, target = inputs
        values, pull = self._values(params, batch)
        (gradient,) = pull(jax.grad(losses.value_loss)(values, target))
        return gradient, values

    def _values(
        self, params: arrays.Params, batch: trajectory.TrajectoryBatch
    ) -> tuple[Float[Array, "b f q"], Callable[..., tuple[arrays.Params]]]:
        """Returns V of every state, and its backward pass."""
        return jax.vjp(
            lambda tree: self.value.values(tree, batch.tokens, batch.conditioning),
            params,
        )

    def _move_value(
        self, state: states.LearnerState, gradient: arrays.Params
    ) -> states.LearnerState:
        """Returns the state with one more step of the value."""
        value, value_optimizer = optimizers.step(
            optimizers.value_optimizer(self.config),
            gradient,
            state.value,
            state.value_optimizer,
        )
        return dataclasses.replace(state, value=value, value_optimizer=value_optimizer)

    def _finish(
        self,
        before: states.LearnerState,
        moved: states.LearnerState,
        numbers: metrics.Metrics,
    ) -> Result:
        """Returns `moved` if its gradients were finite, else `before`; counts both."""
        finite = jnp.isfinite(
            sum(numbers[name] for name in numbers if name.startswith("gradient_norm/"))
        )
        after = jax.tree.map(lambda a, b: jnp.where(finite, a, b), moved, before)
        skipped = before.skipped + jnp.where(finite, 0, 1)
        after = dataclasses.replace(after, step=before.step + 1, skipped=skipped)
        if self.mesh is not None:
            shardings = sharding.tree_shardings(after, self.mesh)
            after = jax.lax.with_sharding_constraint(after, shardings)
        return after, numbers | {"update/skipped": skipped.astype(jnp.float32)}

    def _lay_batch(
        self, batch: trajectory.TrajectoryBatch
    ) -> trajectory.TrajectoryBatch:
        """Lays the clips over the mesh's data axes."""
        if self.mesh is None:
            return batch
        return jax.lax.with_sharding_constraint(
            batch, sharding.batch_sharding(self.mesh)
        )


def _per_token(
    per_clip: Float[Array, " b"], batch: trajectory.TrajectoryBatch
) -> Float[Array, "b f q"]:
    """Returns a clip's number at each of its tokens."""
    return jnp.broadcast_to(per_clip[:, None, None], batch.tokens.shape)
