"""Attention: softmax(q k) v, over what a mask shows or over what is near."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Heads = Float[Array, "b h t e"]
Seen = Float[Array, "b h s e"]


def attend(
    queries: Heads, keys: Seen, values: Seen, mask: Bool[Array, "#b t s"] | None
) -> Heads:
    """Returns softmax(q k / sqrt(e)) v, the softmax in float32.

    Each query must see something. Weights are normalised after they are summed, which
    touches `t * e` numbers instead of `t * s`.
    """
    scale = queries.shape[-1] ** -0.5
    logits = jnp.einsum("bhte,bhse->bhts", queries * scale, keys)
    logits = logits.astype(jnp.float32)
    if mask is not None:
        logits = logits + jnp.where(mask, 0.0, -1e30)[:, None]
    top = jax.lax.stop_gradient(logits.max(axis=-1, keepdims=True))
    weights = jnp.exp(logits - top)
    total = weights.sum(axis=-1, keepdims=True)
    mixed = jnp.einsum("bhts,bhse->bhte", weights.astype(values.dtype), values)
    return (mixed / total).astype(values.dtype)


def near_mask(length: int, reach: int) -> Bool[Array, "1 t s"]:
    """Returns what each place sees: all at most `reach` places away."""
    place = jnp.arange(length)
    return (jnp.abs(place[:, None] - place[None]) <= reach)[None]


def attend_near(queries: Heads, keys: Seen, values: Seen, reach: int) -> Heads:
    """Does what `attend` does with `near_mask`, without scores of what is far.

    Places are taken in blocks of `reach / 2`, each of which sees itself and what lies
    within two blocks on either side: of `t` places `2.5 * reach` scores each.
    """
    length, block = queries.shape[2], -(-reach // 2)
    if length <= 5 * block:
        return attend(queries, keys, values, near_mask(length, reach))
    blocks = -(-length // block)
    fill = blocks * block - length
    place = jnp.arange(-2 * block, (blocks + 2) * block)

    def windows(x: Seen) -> Float[Array, "_ x w e"]:
        x = jnp.pad(x, ((0, 0), (0, 0), (2 * block, 2 * block + fill), (0, 0)))
        x = x.reshape(*x.shape[:2], blocks + 4, block, x.shape[-1])
        x = jnp.concatenate([x[:, :, i : i + blocks] for i in range(5)], axis=3)
        return x.reshape(-1, blocks, 5 * block, x.shape[-1])

    asked = jnp.pad(queries, ((0, 0), (0, 0), (0, fill), (0, 0)))
    asked = asked.reshape(-1, blocks, block, queries.shape[-1])
    here = place[2 * block : -2 * block].reshape(blocks, block)
    there = jnp.stack([place[i * block : (i + 5) * block] for i in range(blocks)])
    apart = jnp.abs(here[:, :, None] - there[:, None])
    inside = (there >= 0) & (there < length)
    # A place of the filling sees itself, so that its sum of weights is not 0.
    seen = (apart <= reach) & (inside[:, None] | (apart == 0))
    # Blocks take the place of clips, and clips with their heads that of heads.
    asked = asked.swapaxes(0, 1)
    near = (windows(x).swapaxes(0, 1) for x in (keys, values))
    out = attend(asked, *near, mask=seen)
    out = out.swapaxes(0, 1).reshape(*queries.shape[:2], blocks * block, -1)
    return out[:, :, :length]
