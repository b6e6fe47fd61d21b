"""What a learner carries from update to update, and a checkpoint holds."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Int

from musicrl_jax.core import arrays, sharding
from musicrl_jax.core.struct import struct
from musicrl_jax.learning import config as configs
from musicrl_jax.learning import optimizers


@struct
class LearnerState:
    """Three parameter trees from theta_0 (section 3.2), two optimizers, two counts.

    Attributes:
      policy: the policy's parameters.
      value: the baseline's parameters, a tree of its own.
      reference: theta_0, or the end of the last stage (MusicRL-RU); never moves.
      policy_optimizer: Adam's moments and count for the policy.
      value_optimizer: the same for the value.
      step: updates done, value warm-up and skipped ones included.
      skipped: updates left out because a loss or gradient was not finite.
    """

    policy: arrays.Params
    value: arrays.Params
    reference: arrays.Params
    policy_optimizer: Any
    value_optimizer: Any
    step: Int[Array, ""]
    skipped: Int[Array, ""]


def initial_state(
    policy_params: arrays.Params,
    value_params: arrays.Params,
    config: configs.LearnerConfig,
    mesh: Mesh | None = None,
) -> LearnerState:
    """Returns the state before the first update: policy = reference = the given tree.

    The trees are copied, since an update gives its state's buffers away.

    Args:
      policy_params: theta_0.
      value_params: the value's start (trunk of theta_0, head at the mean reward).
      config: names the optimizers.
      mesh: where to lay the state; None leaves it on the default device.
    """
    state = LearnerState(
        policy=jax.tree.map(jnp.copy, policy_params),
        value=jax.tree.map(jnp.copy, value_params),
        reference=jax.tree.map(jnp.copy, policy_params),
        policy_optimizer=optimizers.policy_optimizer(config).init(policy_params),
        value_optimizer=optimizers.value_optimizer(config).init(value_params),
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
    )
    return state if mesh is None else shard_state(state, mesh)


def shard_state(state: LearnerState, mesh: Mesh) -> LearnerState:
    """Lays the state on the mesh by the rules of `core.sharding`."""
    return jax.device_put(state, sharding.tree_shardings(state, mesh))
