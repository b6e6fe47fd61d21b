"""Which codes are hidden: in training at random, in decoding by schedule."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key


def schedule(frames: int, passes: int) -> tuple[int, ...]:
    """Returns how many places of a level each pass fills; they sum to `frames`.

    After pass i of n, `floor(frames cos(pi i / 2 n))` places are still hidden (paper,
    section 3.3): few are filled while little is known, many at the end.
    """
    angles = (math.pi / 2 * number / passes for number in range(passes))
    hidden = [math.floor(frames * math.cos(angle)) for angle in angles] + [0]
    return tuple(hidden[i] - hidden[i + 1] for i in range(passes))


def draw_levels(
    key: Key[Array, ""], clips: int, coarse: int, levels: int, decay: float
) -> Int[Array, " b"]:
    """Draws a fine level for each clip; each is `decay` as likely as the one below."""
    weights = jnp.log(decay) * jnp.arange(levels - coarse)
    return coarse + jax.random.categorical(key, weights, shape=(clips,))


def draw_masked(key: Key[Array, ""], clips: int, frames: int) -> Bool[Array, "b f"]:
    """Draws hidden frames: of each clip a share cos(u), u uniform in [0, pi / 2).

    The paper hides each frame with that chance; here exactly that share is hidden, one
    frame or more, as in decoding.
    """
    share_key, place_key = jax.random.split(key)
    angle = jax.random.uniform(share_key, (clips, 1), maxval=jnp.pi / 2)
    count = jnp.clip(jnp.ceil(jnp.cos(angle) * frames), 1, frames)
    return ranks(jax.random.uniform(place_key, (clips, frames))) < count


def ranks(values: Float[Array, "b f"]) -> Int[Array, "b f"]:
    """Returns each value's place in its row, the least first."""
    return jnp.argsort(jnp.argsort(values, axis=-1), axis=-1)


def known_places(
    level: Int[Array, " b"], masked: Bool[Array, "b f"], levels: int
) -> Bool[Array, "b f l"]:
    """Returns what may be seen: levels below `level`, and its frames not hidden."""
    number = jnp.arange(levels)[None, None]
    level = level[:, None, None]
    return (number < level) | ((number == level) & ~masked[..., None])
