"""What a learner carries from update to update, and a checkpoint holds."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
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
      policy_params: theta_0; over several hosts, the same on each.
      value_params: the value's start (trunk of theta_0, head at the mean reward).
      config: names the optimizers.
      mesh: where to lay the state; None leaves it on the default device.
    """
    policy = _copied(policy_params, mesh)
    value = _copied(value_params, mesh)
    return LearnerState(
        policy=policy,
        value=value,
        reference=_copied(policy_params, mesh),
        policy_optimizer=_begun(optimizers.policy_optimizer(config), policy, mesh),
        value_optimizer=_begun(optimizers.value_optimizer(config), value, mesh),
        step=_copied(jnp.zeros((), jnp.int32), mesh),
        skipped=_copied(jnp.zeros((), jnp.int32), mesh),
    )


def shard_state(state: LearnerState, mesh: Mesh) -> LearnerState:
    """Lays the state on the mesh by the rules of `core.sharding`.

    Over several hosts, leaves that lie on a single one must be the same on each.
    """
    return jax.tree.map(_laid, state, sharding.tree_shardings(state, mesh))


def as_trees(state: LearnerState) -> dict[str, Any]:
    """Returns what a checkpoint holds of a state; the reference comes from theta_0."""
    optimizer = {
        "policy": state.policy_optimizer,
        "value": state.value_optimizer,
        "skipped": state.skipped,
    }
    return {"policy": state.policy, "value": state.value, "optimizer": optimizer}


def from_trees(
    trees: Mapping[str, Any], step: int, reference: arrays.Params
) -> LearnerState:
    """Returns the state of which `as_trees` gave `trees`."""
    return LearnerState(
        policy=trees["policy"],
        value=trees["value"],
        reference=reference,
        policy_optimizer=trees["optimizer"]["policy"],
        value_optimizer=trees["optimizer"]["value"],
        step=jnp.asarray(step, jnp.int32),
        skipped=trees["optimizer"]["skipped"],
    )


def _copied(tree: arrays.Tree, mesh: Mesh | None) -> arrays.Tree:
    if mesh is None:
        return jax.tree.map(jnp.copy, tree)
    return jax.tree.map(
        lambda leaf, place: _laid(jnp.copy(leaf), place),
        tree,
        sharding.tree_shardings(tree, mesh),
    )


def _begun(
    optimizer: optax.GradientTransformation, params: arrays.Params, mesh: Mesh | None
) -> arrays.Tree:
    """Returns the optimizer's first state, made where it is to lie."""
    if mesh is None:
        return optimizer.init(params)
    places = sharding.tree_shardings(jax.eval_shape(optimizer.init, params), mesh)
    return jax.jit(optimizer.init, out_shardings=places)(params)


def _laid(leaf: jax.Array, place: NamedSharding) -> jax.Array:
    if place.is_fully_addressable or not leaf.is_fully_addressable:
        return jax.device_put(leaf, place)
    # Each host feeds its own devices; device_put would have all hosts compare it all.
    return jax.make_array_from_callback(
        leaf.shape, place, lambda index: np.asarray(leaf)[index]
    )
