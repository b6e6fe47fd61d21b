"""Beginnings better than chance for MusicLM's parameters."""

import jax
from jaxtyping import Array, Float, Key

from musicrl_jax.core import arrays, errors


def with_codebooks(
    params: arrays.Params, codebooks: Float[Array, "k c e"], key: Key[Array, ""]
) -> arrays.Params:
    """Returns `params` whose conditioning tables are MuLan's codebooks, projected.

    The sum of a clip's conditioning vectors then is a random projection of its
    quantised MuLan embedding: captions that mean much the same look much the same from
    the first step, and one that was never seen lands among its neighbours. Training
    goes on from there like from any other start.

    Raises:
      InputError: where tokens or entries of the codebooks are not the tables'.
    """
    temporal = params["temporal"]
    table = temporal["conditioning"]["table"]
    if table.shape[:2] != codebooks.shape[:2]:
        raise errors.InputError(
            "MuLan's codebooks must have MusicLM's conditioning tokens and entries, "
            f"{table.shape[:2]}; got {codebooks.shape[:2]}. Set "
            "MusicLMConfig.conditioning_tokens and .conditioning_size."
        )
    projection = jax.random.normal(key, (codebooks.shape[-1], table.shape[-1]))
    tables = {"table": codebooks.astype(table.dtype) @ projection}
    return dict(params) | {"temporal": dict(temporal) | {"conditioning": tables}}
