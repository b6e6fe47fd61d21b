"""A batch's gradient, whole or as the mean of its parts' gradients."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays, errors
from musicrl_jax.core.struct import struct
from musicrl_jax.pretraining import objective as objective_lib

Loss = Callable[
    [arrays.Params, arrays.Params, objective_lib.Batch, Key[Array, ""]],
    tuple[Float[Array, ""], tuple[arrays.Params, objective_lib.Metrics]],
]
"""(params, statistics, batch, key) -> (loss, (new statistics, metrics))."""


@struct
class Found:
    """What a batch says about the parameters.

    Attributes:
      loss: mean over the batch.
      gradients: of the loss, shaped like the parameters.
      statistics: after the last part.
      metrics: means over the parts.
    """

    loss: Float[Array, ""]
    gradients: arrays.Params
    statistics: arrays.Params
    metrics: dict[str, Float[Array, ""]]


def gradient_of(
    loss: Loss,
    params: arrays.Params,
    statistics: arrays.Params,
    batch: objective_lib.Batch,
    key: Key[Array, ""],
    parts: int = 1,
) -> Found:
    """Returns loss and gradient of a batch, computed one part after another.

    Each part has its own random key, and the statistics that the part before left.

    Raises:
      InputError: where `parts` does not divide the batch.
    """
    if parts == 1:
        return _whole(loss, params, statistics, batch, key)
    split = {name: _dealt(name, value, parts) for name, value in batch.items()}
    zeros = jax.tree.map(jnp.zeros_like, params)

    def add(
        carry: tuple[arrays.Params, arrays.Params],
        part: tuple[objective_lib.Batch, Key[Array, ""]],
    ) -> tuple[tuple[arrays.Params, arrays.Params], arrays.Tree]:
        total, before = carry
        found = _whole(loss, params, before, *part)
        total = jax.tree.map(jnp.add, total, found.gradients)
        return (total, found.statistics), (found.loss, found.metrics)

    (total, after), per_part = jax.lax.scan(
        add, (zeros, statistics), (split, jax.random.split(key, parts))
    )
    mean, metrics = jax.tree.map(lambda x: x.mean(0), per_part)
    return Found(
        loss=mean,
        gradients=jax.tree.map(lambda x: x / parts, total),
        statistics=after,
        metrics=metrics,
    )


def _whole(
    loss: Loss,
    params: arrays.Params,
    statistics: arrays.Params,
    batch: objective_lib.Batch,
    key: Key[Array, ""],
) -> Found:
    (value, (after, metrics)), gradients = jax.value_and_grad(loss, has_aux=True)(
        params, statistics, batch, key
    )
    return Found(
        loss=value, gradients=gradients, statistics=after, metrics=dict(metrics)
    )


def _dealt(name: str, value: Array, parts: int) -> Array:
    """Turns `[b, ...]` into `[parts, b / parts, ...]`, dealt out like cards.

    A device's examples are neighbours, so each part has its share on every device.
    """
    if value.shape[0] % parts:
        raise errors.InputError(
            f"The batch must divide into {parts} parts; {name!r} has "
            f"{value.shape[0]} examples. Change the batch size or "
            "PretrainConfig.accumulate."
        )
    dealt = value.reshape(value.shape[0] // parts, parts, *value.shape[1:])
    return jnp.swapaxes(dealt, 0, 1)
