"""Self-attention over a whole sequence, and one step with a cache."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from musicrl_jax.core import sharding
from musicrl_jax.nn import cache as caches
from musicrl_jax.nn import config as configs
from musicrl_jax.nn import dense
from musicrl_jax.nn import positions as rotary

Heads = Float[Array, "b h t e"]
Seen = Float[Array, "b h s e"]


def prefix_window_mask(prefix: int, steps: int, window: int) -> Bool[Array, "1 t s"]:
    """Returns what each place sees: `prefix` places, then `steps` causal ones.

    The prefix sees itself in both directions and nothing else. A step sees the whole
    prefix, itself and the `window - 1` steps before it.
    """
    place = jnp.arange(prefix + steps)
    query, key = place[:, None], place[None, :]
    near = (key <= query) & (query - key < window) & (query >= prefix)
    return ((key < prefix) | near)[None]


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


def attend_fused(
    queries: Heads, keys: Seen, values: Seen, mask: Bool[Array, "#b t s"] | None
) -> Heads:
    """Does what `attend` does through JAX's own kernel choice."""
    out = jax.nn.dot_product_attention(
        queries.swapaxes(1, 2),
        keys.swapaxes(1, 2),
        values.swapaxes(1, 2),
        mask=None if mask is None else mask[:, None],
    )
    return out.swapaxes(1, 2)


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


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotary positions (optional), without biases."""

    config: configs.BlockConfig

    def setup(self) -> None:
        """Declares the projections."""
        config = self.config
        dtype = config.compute_dtype
        self.project_in = dense.Dense(3 * config.width, dtype, axes=("rows", None))
        self.project_out = dense.Dense(
            config.width, dtype, config.residual_initializer, ("heads", "width")
        )

    def heads(
        self, x: Float[Array, "b t d"], positions: Int[Array, "#b t"] | None
    ) -> tuple[Heads, Heads, Heads]:
        """Returns queries, keys and values; rotated where positions are used."""
        batch, length, _ = x.shape
        shape = (batch, length, 3, self.config.heads, self.config.head_width)
        queries, keys, values = (
            self.project_in(x).reshape(shape).transpose(2, 0, 3, 1, 4)
        )
        if self.config.rotary:
            if positions is None:
                positions = jnp.arange(length)[None]
            queries = rotary.rotate(queries, positions, self.config.rotary_base)
            keys = rotary.rotate(keys, positions, self.config.rotary_base)
        cut = ("clips", "heads", None, None)
        return (
            sharding.constrain(queries, *cut),
            sharding.constrain(keys, *cut),
            sharding.constrain(values, *cut),
        )

    def merge(self, x: Heads) -> Float[Array, "b t d"]:
        """Joins the heads and projects them back to the model's width."""
        batch, _, length, _ = x.shape
        return self.project_out(x.swapaxes(1, 2).reshape(batch, length, -1))

    def __call__(
        self,
        x: Float[Array, "b t d"],
        mask: Bool[Array, "#b t s"] | None = None,
        positions: Int[Array, "#b t"] | None = None,
    ) -> tuple[Float[Array, "b t d"], tuple[Heads, Heads]]:
        """Attends over the whole sequence; also returns its keys and values."""
        queries, keys, values = self.heads(x, positions)
        kernel = attend_fused if self.config.fused_attention else attend
        return self.merge(kernel(queries, keys, values, mask)), (keys, values)

    def near(self, x: Float[Array, "b t d"], reach: int) -> Float[Array, "b t d"]:
        """Attends to what lies at most `reach` places away, on both sides."""
        return self.merge(attend_near(*self.heads(x, None), reach))

    def extend(
        self,
        x: Float[Array, "b 1 d"],
        cache: caches.KeyValueCache,
        place: configs.Place,
    ) -> tuple[Float[Array, "b 1 d"], caches.KeyValueCache]:
        """Writes one step into the cache and attends over what is visible."""
        queries, keys, values = self.heads(x, place.position[None, None])
        cache = caches.write(cache, place.slot, keys, values)
        out = attend(queries, cache.keys, cache.values, place.visible[None, None])
        return self.merge(out), cache
