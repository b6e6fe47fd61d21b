"""A beginning better than chance for SoundStorm's parameters."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays, errors

_INPUT_SPREAD, _OUTPUT_SPREAD = 0.5, 0.1


def with_codebooks(
    params: arrays.Params, codebooks: Float[Array, "l v e"], key: Key[Array, ""]
) -> arrays.Params:
    """Returns `params` whose tables and heads are the codec's entries, projected.

    A frame's input then is a projection of the vector that its known levels add up to,
    and a head's logits are alike for entries that are near one another: what is learnt
    of one entry goes for its neighbours from the first step.

    Raises:
      InputError: where levels or entries of the codebooks are not the tables'.
    """
    table, heads = params["codes"]["table"], params["heads"]
    if table.shape[:2] != codebooks.shape[:2]:
        raise errors.InputError(
            f"The codec's codebooks must have SoundStorm's levels and entries, "
            f"{table.shape[:2]}; got {codebooks.shape[:2]}. Set SoundStormConfig."
        )
    first, second = jax.random.split(key)
    features = codebooks.shape[-1]
    shape, scale = (features, table.shape[-1]), features**-0.5
    # All levels on one scale as inputs, which add up; each on its own as outputs.
    given = codebooks / jnp.std(codebooks[0])
    fine = codebooks[-heads.shape[0] :]
    fine = fine / jnp.std(fine, axis=(1, 2), keepdims=True)
    inputs = given @ (_INPUT_SPREAD * scale * jax.random.normal(first, shape))
    outputs = fine @ (_OUTPUT_SPREAD * scale * jax.random.normal(second, shape))
    return dict(params) | {
        "codes": {"table": inputs.astype(table.dtype)},
        "heads": outputs.swapaxes(1, 2).astype(heads.dtype),
    }
